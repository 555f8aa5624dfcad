"""account did: who logs in with what, what is published, and what the domain signs."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from identity import jose
from identity.credentials.credential import Credential
from identity.credentials.verify import Verifier
from identity.did import document
from identity.did.document import Document, Purpose
from identity.did.syntax import Did
from identity.jose import Token
from node.directory.issuer import Issuer

Call = Callable[..., Any]
ANN = "ann@example.test"
KEY = "did:key:z6MkkhBTpCYRHvAHWn4C2T1nwBigNmKPT8xicoS3Gw3Tfszw"
P256 = "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"
X25519 = "did:key:z6LShs9GGnqk85isEBzzshkuVWrVKsRp24GnDuHk8QWkARMW"
ETHEREUM = "did:pkh:eip155:1:0xb9c5714089478a327f09197987f16f9e5d936e8a"
SOLANA = "did:pkh:solana:4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZ:CKg5d12Jhpej1JqtmxLJgaFqqeYjxgPqToJ4LBdvG9Ev"


@pytest.fixture
def run(waxseal: Call, place: Any) -> Call:
    """`account did` on a node where Ann and Bob live."""

    def call(command: str, *arguments: object) -> Any:
        return waxseal("account", "did", command, *arguments, "-c", place.config)

    assert waxseal("domain", "add", "example.test", "-c", place.config).code == 0
    for address in (ANN, "bob@example.test"):
        assert waxseal("account", "add", address, "-c", place.config).code == 0
    return call


def test_binding_and_unbinding(run: Call, waxseal: Call, place: Any) -> None:
    said = run("bind", ANN, KEY, P256, "did:web:ann.example", ETHEREUM, SOLANA)
    assert said.code == 0
    assert f"may log in as {ANN}" in said.out
    listed = waxseal("account", "list", "-c", place.config).out
    for subject in (KEY, P256, "did:web:ann.example", "eip155:0xb9c5714089478a327f09197987f16f9e5d936e8a",
                    "solana:CKg5d12Jhpej1JqtmxLJgaFqqeYjxgPqToJ4LBdvG9Ev"):  # fmt: skip
        assert subject in listed
    taken = run("bind", "bob@example.test", KEY)
    assert taken.code == 1
    assert f"{KEY} belongs to {ANN} already" in taken.words
    assert run("unbind", ANN, ETHEREUM).code == 0
    assert "eip155" not in waxseal("account", "list", "-c", place.config).out
    assert run("unbind", ANN, ETHEREUM).code == 1
    assert run("bind", "bob@example.test", ETHEREUM).code == 0


@pytest.mark.parametrize(
    ("did", "words"),
    [
        ("z6Mkk", "is no DID"),
        (KEY + "#a", "write the DID alone"),
        ("did:key:z6Mkk", "holds no usable key"),
        ("did:ethr:0x1", "a did:ethr is did:ethr:0x"),
        ("did:ethr:nowhere:0x" + "ab" * 20, "a did:ethr is did:ethr:0x"),
        ("did:ethr:0x02" + "00" * 32, "names nobody"),
        ("did:web:localhost", "a did:web names a host"),
        ("did:web:127.0.0.1", "a did:web names a host"),
        (X25519, "for encryption only"),
    ],
)
def test_what_can_never_log_in_is_not_bound(run: Call, did: str, words: str) -> None:
    said = run("bind", ANN, did)
    assert said.code == 1
    assert words in said.words


def test_publishing_and_withdrawing(run: Call) -> None:
    assert run("bind", ANN, KEY, ETHEREUM).code == 0
    assert "publishes nothing" in run("show", ANN).words
    said = run("publish", ANN, "--show", KEY)
    assert said.out.startswith(f"{ANN} is did:web:example.test:people:ann\n")
    assert "set publish = true in the section [did]" in said.words
    shown = run("show", ANN).out
    found = document.read(shown.encode(), Did("web", "example.test:people:ann"))
    assert isinstance(found, Document)
    assert len(found.methods_for(Purpose.AUTHENTICATION)) == 1
    assert run("publish", ANN, "--show", ETHEREUM).code == 0
    assert json.loads(run("show", ANN).out)["verificationMethod"][0]["blockchainAccountId"].startswith("eip155:1:0x")
    assert "is not bound" in run("publish", ANN, "--show", P256).words
    assert "nothing any more" in run("withdraw", ANN).out
    assert "published nothing" in run("withdraw", ANN).out
    assert run("publish", "nobody@example.test").code == 1


@pytest.mark.anyio
async def test_a_credential_from_the_command_line(run: Call, place: Any) -> None:
    import trio

    assert (await trio.to_thread.run_sync(run, "bind", ANN, KEY, ETHEREUM)).code == 0
    said = await trio.to_thread.run_sync(run, "credential", ANN, ETHEREUM, "--days", "2")
    token = jose.read(said.out.strip())
    assert isinstance(token, Token)
    assert token.header["kid"] == "did:web:example.test#issuer"
    (path,) = place.config.parent.rglob("issuer.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    published = Issuer(bytes.fromhex(path.read_text().strip())).document("example.test")

    class Known:
        async def resolve(self, did: Did) -> Document:
            return published

    found = await Verifier(Known()).credential(token.compact, datetime.now(UTC))
    assert isinstance(found, Credential)
    assert found.subjects == ({"id": ETHEREUM, "email": ANN, "mailbox": f"mailto:{ANN}"},)
    assert found.valid_until is not None
    assert 1.9 < (found.valid_until - datetime.now(UTC)).total_seconds() / 86400 <= 2


def test_a_credential_for_somebody_elses_did_is_not_signed(run: Call) -> None:
    assert run("bind", "bob@example.test", KEY).code == 0
    said = run("credential", ANN, KEY)
    assert said.code == 1
    assert f"{KEY} is not bound to {ANN}" in said.words
    assert said.out == ""
