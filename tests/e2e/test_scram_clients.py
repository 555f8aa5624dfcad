"""A whole node and clients that speak SCRAM: GNU SASL's over IMAP, msmtp and smtplib with scramp over submission."""

from __future__ import annotations

import shutil
import smtplib
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from scramp import ScramClient

TLS_1_2 = "NORMAL:-VERS-TLS1.3"
TRUSTED = "Client authentication finished (server trusted)"


def need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def gsasl(node: Any, mechanism: str, password: str, *more: str) -> str:
    command = [need("gsasl"), "--imap", f"--connect=localhost:{node.ports['imap']}", "--starttls", "--verbose"]
    command += [f"--x509-ca-file={node.facts['ca']}", f"--mechanism={mechanism}", f"--password={password}"]
    command += [f"--authentication-id={node.person()['address']}", *more]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("spelling", ["as shown", "without hyphens"])
@pytest.mark.parametrize("priority", ["NORMAL", TLS_1_2])
def test_imap(node: Any, spelling: str, priority: str) -> None:
    password = node.person()["app_password"]
    typed = password if spelling == "as shown" else password.replace("-", "")
    said = gsasl(node, "SCRAM-SHA-256", typed, "--no-cb", f"--priority={priority}")
    assert TRUSTED in said, said


def test_imap_bound_to_its_channel(node: Any) -> None:
    said = gsasl(node, "SCRAM-SHA-256-PLUS", node.person()["app_password"], f"--priority={TLS_1_2}")
    assert TRUSTED in said, said
    assert "SCRAM-SHA-256-PLUS" not in gsasl(node, "PLAIN", "-", "--priority=NORMAL").replace("--mechanism", "")


def test_imap_refuses_a_wrong_password(node: Any) -> None:
    said = gsasl(node, "SCRAM-SHA-256", "wrong", "--no-cb")
    assert TRUSTED not in said
    assert "[AUTHENTICATIONFAILED]" in said, said


def test_msmtp(node: Any, tmp_path: Path) -> None:
    person, config = node.person(), tmp_path / "msmtprc"
    config.write_text(
        f"account default\nhost localhost\nport {node.ports['submissions']}\nauth scram-sha-256\ntls on\n"
        f"tls_starttls off\ntls_trust_file {node.facts['ca']}\nfrom {person['address']}\nuser {person['address']}\n"
        f"password {person['app_password']}\n"
    )
    config.chmod(0o600)
    command = [need("msmtp"), "-C", str(config), person["address"]]
    letter = f"From: {person['address']}\nSubject: proved\n\nnot sent: the password\n"
    done = subprocess.run(command, input=letter, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
def test_submission_under_tls_1_2(node: Any, mechanism: str) -> None:
    context = node.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with smtplib.SMTP_SSL("localhost", node.ports["submissions"], context=context, timeout=60) as server:
        server.ehlo()
        assert server.esmtp_features["auth"].split()[:2] == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
        assert isinstance(server.sock, ssl.SSLSocket)
        binding = ("tls-unique", server.sock.get_channel_binding("tls-unique"))
        client = ScramClient(
            ["SCRAM-SHA-256-PLUS" if mechanism.endswith("PLUS") else "SCRAM-SHA-256"],
            node.person()["address"],
            node.person()["app_password"],
            channel_binding=binding if mechanism.endswith("PLUS") else None,
        )
        steps = [client.set_server_first, client.set_server_final]
        answers = [client.get_client_final, lambda: ""]

        def answer(challenge: bytes | None = None) -> str:
            if challenge is None:
                return str(client.get_client_first())
            steps.pop(0)(challenge.decode())
            return str(answers.pop(0)())

        assert server.auth(mechanism, answer)[0] == 235


def test_submission_offers_no_binding_it_does_not_have(node: Any) -> None:
    with smtplib.SMTP_SSL("localhost", node.ports["submissions"], context=node.tls(), timeout=60) as server:
        server.ehlo()
        assert server.esmtp_features["auth"].split()[0] == "SCRAM-SHA-256"
        assert "SCRAM-SHA-256-PLUS" not in server.esmtp_features["auth"].split()
