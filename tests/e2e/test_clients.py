"""A whole node and the mail clients that people use: mbsync, NeoMutt, curl, msmtp. See docs/clients.md."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

WAIT = 60  # seconds a client's run may take
STANDARD = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]


def mail(number: int, subject: str = "minutes") -> bytes:
    lines = [
        "From: Nora <nora@example.org>",
        "To: alice@waxseal.test",
        f"Subject: {subject} {number}",
        f"Message-ID: <{subject}-{number}@example.org>",
        "",
        f"The minutes of meeting {number} are ready.",
        "",
    ]
    return "\r\n".join(lines).encode()


def need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def run(*command: str | Path, **more: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False, **more)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def imap(node: Any) -> Iterator[IMAPClient]:
    """A session that looks at what the client under test has done; nothing is left in the account afterwards."""
    with IMAPClient("localhost", port=node.ports["imaps"], ssl_context=node.tls(), timeout=WAIT) as client:
        client.login(node.person()["address"], node.person()["app_password"])
        yield client
        for _flags, _delimiter, name in client.list_folders():
            if name not in STANDARD:
                client.delete_folder(name)
                continue
            client.select_folder(name)
            client.delete_messages(client.search())
            client.expunge()
            client.unselect_folder()


def subjects(client: IMAPClient, folder: str) -> list[str]:
    client.select_folder(folder, readonly=True)
    envelopes = client.fetch(client.search(), ["ENVELOPE"]).values()
    client.unselect_folder()
    return sorted(entry[b"ENVELOPE"].subject.decode() for entry in envelopes)


# --- mbsync -------------------------------------------------------------------------------------------------------


class Mbsync:
    """A Maildir tree that mbsync keeps in step with Alice's account, both ways."""

    def __init__(self, node: Any, folder: Path) -> None:
        self.program = need("mbsync")
        self.folder = folder / "mail"
        self.folder.mkdir()
        self.config = folder / "mbsyncrc"
        person = node.person()
        self.config.write_text(
            f"IMAPAccount node\nHost localhost\nPort {node.ports['imaps']}\nUser {person['address']}\n"
            f"Pass {person['app_password']}\nSSLType IMAPS\nSystemCertificates no\n"
            f"CertificateFile {node.facts['ca']}\n\nIMAPStore far\nAccount node\n\n"
            f"MaildirStore near\nPath {self.folder}/\nInbox {self.folder}/INBOX\nSubFolders Verbatim\n\n"
            "Channel all\nFar :far:\nNear :near:\nPatterns *\n"
            "Create Both\nRemove Both\nExpunge Both\nSyncState *\nCopyArrivalDate yes\n"
        )

    def sync(self, refused: int = 0) -> None:
        command = [self.program, "-D", "-c", str(self.config), "-a"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
        assert len(re.findall("^F: .* (NO|BAD) ", done.stdout, re.MULTILINE)) == refused, done.stdout
        assert done.returncode == (1 if refused else 0), done.stderr

    def files(self, mailbox: str) -> list[Path]:
        return sorted(path for kind in ("cur", "new") for path in (self.folder / mailbox / kind).iterdir())

    def put(self, mailbox: str, message: bytes, flags: str = "") -> None:
        for kind in ("cur", "new", "tmp"):
            (self.folder / mailbox / kind).mkdir(parents=True, exist_ok=True)
        place = self.folder / mailbox / "cur" / f"1700000000.{len(self.files(mailbox))}.here:2,{flags}"
        place.write_bytes(message.replace(b"\r\n", b"\n"))

    def flag(self, path: Path, flags: str) -> None:
        path.rename(path.parent.parent / "cur" / f"{path.name.rpartition(':2,')[0]}:2,{flags}")


@pytest.fixture
def mbsync(node: Any, imap: IMAPClient, tmp_path: Path) -> Mbsync:
    for number in range(3):
        imap.append("INBOX", mail(number))
    made = Mbsync(node, tmp_path)
    made.sync()
    return made


def test_mbsync_pulls_every_folder(mbsync: Mbsync) -> None:
    assert sorted(path.name for path in mbsync.folder.iterdir()) == STANDARD
    contents = sorted(path.read_bytes() for path in mbsync.files("INBOX"))
    for number, content in enumerate(contents):
        own = re.sub(rb"X-TUID: .*\n", b"", content)  # mbsync marks what it carries
        assert own.replace(b"\n", b"\r\n") == mail(number)


def test_mbsync_pushes_a_message_and_a_folder(mbsync: Mbsync, imap: IMAPClient) -> None:
    mbsync.put("INBOX", mail(7, "pushed"), "S")
    mbsync.put("Projects", mail(8, "pushed"), "FS")
    mbsync.put("Projects/&ANw-bersicht", mail(9, "pushed"))  # it leaves the names as they are on the wire
    mbsync.sync()
    assert subjects(imap, "INBOX") == ["minutes 0", "minutes 1", "minutes 2", "pushed 7"]
    assert subjects(imap, "Projects") == ["pushed 8"]
    assert subjects(imap, "Projects/Übersicht") == ["pushed 9"]
    imap.select_folder("Projects", readonly=True)
    assert set(imap.get_flags([1])[1]) == {b"\\Seen", b"\\Flagged"}


def test_mbsync_carries_flags_both_ways(mbsync: Mbsync, imap: IMAPClient) -> None:
    answered = next(path for path in mbsync.files("INBOX") if b"minutes 1" in path.read_bytes())
    mbsync.flag(answered, "RS")
    imap.select_folder("INBOX")
    imap.add_flags(imap.search(["SUBJECT", "minutes 2"]), [b"\\Flagged"])
    mbsync.sync()
    imap.noop()
    uid = imap.search(["SUBJECT", "minutes 1"])[0]
    assert set(imap.get_flags([uid])[uid]) == {b"\\Seen", b"\\Answered"}
    flagged = next(path for path in mbsync.files("INBOX") if b"minutes 2" in path.read_bytes())
    assert flagged.name.endswith(":2,F")


def test_mbsync_deletes_both_ways(mbsync: Mbsync, imap: IMAPClient) -> None:
    mbsync.flag(mbsync.files("INBOX")[0], "ST")
    imap.select_folder("INBOX")
    last = imap.search()[-1]
    imap.delete_messages([last])
    imap.expunge()
    imap.unselect_folder()
    mbsync.sync()
    assert len(subjects(imap, "INBOX")) == 1
    assert len(mbsync.files("INBOX")) == 1


def test_mbsync_goes_on_behind_a_folder_whose_name_is_refused(mbsync: Mbsync, imap: IMAPClient) -> None:
    mbsync.put("Übersicht", mail(7, "pushed"))  # raw UTF-8, which IMAP4rev1 has no spelling for
    mbsync.put("Work", mail(8, "pushed"))
    mbsync.flag(mbsync.files("INBOX")[0], "S")
    mbsync.sync(refused=1)
    assert subjects(imap, "Work") == ["pushed 8"]
    imap.select_folder("INBOX", readonly=True)
    assert len(imap.search("SEEN")) == 1


def test_mbsync_has_nothing_to_do_the_second_time(mbsync: Mbsync) -> None:
    before = {path: path.stat().st_mtime_ns for path in mbsync.files("INBOX")}
    mbsync.sync()
    assert {path: path.stat().st_mtime_ns for path in mbsync.files("INBOX")} == before


# --- NeoMutt ------------------------------------------------------------------------------------------------------

KEYS = (  # what somebody would press, one function after the other
    "<tag-pattern>~s 'minutes 1'<enter><tag-prefix><copy-message>=Copies<enter><untag-pattern>.<enter>"
    "<tag-pattern>~s 'minutes 2'<enter><tag-prefix><save-message>=Kept<enter><untag-pattern>.<enter>"
    "<delete-pattern>~s 'minutes 0'<enter><flag-message><sync-mailbox>"
    "<limit>~b meeting<enter><quit>"
)


def test_neomutt_copies_saves_deletes_and_quits(node: Any, imap: IMAPClient, tmp_path: Path) -> None:
    neomutt, script = need("neomutt"), need("script")
    for number in range(4):
        imap.append("INBOX", mail(number))
    person, url = node.person(), f"imaps://localhost:{node.ports['imaps']}"
    config, log = tmp_path / "neomuttrc", tmp_path / "talk"
    config.write_text(
        f'set imap_user="{person["address"]}" imap_pass="{person["app_password"]}"\n'
        f"set ssl_force_tls=yes certificate_file={node.facts['ca']} folder={url} spoolfile=+INBOX\n"
        "set delete=yes quit=yes confirmappend=no confirmcreate=no sleep_time=0 wait_key=no move=no\n"
        "set header_cache= message_cachedir=\n"
        f'push "{KEYS}"\n'
    )
    command = shlex.join([neomutt, "-n", "-F", str(config), "-d", "2", "-l", str(log), "-f", f"{url}/INBOX"])
    surroundings = {**os.environ, "TERM": "xterm", "HOME": str(tmp_path)}
    # It wants a terminal, so it gets one.
    run(script, "-qec", command, "/dev/null", stdin=subprocess.DEVNULL, env=surroundings)
    assert subjects(imap, "INBOX") == ["minutes 1", "minutes 3"]
    assert subjects(imap, "Copies") == ["minutes 1"]
    assert subjects(imap, "Kept") == ["minutes 2"]


# --- curl and msmtp -----------------------------------------------------------------------------------------------


@pytest.fixture
def note(node: Any, tmp_path: Path) -> Path:
    path = tmp_path / "note.eml"
    address = node.person()["address"]
    path.write_bytes(mail(1, "posted").replace(b"Nora <nora@example.org>", address.encode()))
    return path


@pytest.fixture
def curl(node: Any) -> list[str]:
    person = node.person()
    login = f"{person['address']}:{person['app_password']}"
    return [need("curl"), "-sS", "--ssl-reqd", "--cacert", node.facts["ca"], "--user", login]


@pytest.mark.parametrize(("scheme", "port"), [("smtps", "submissions"), ("smtp", "submission")])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_curl_submits(
    node: Any, imap: IMAPClient, curl: list[str], note: Path, scheme: str, port: str, mechanism: str
) -> None:
    address = node.person()["address"]
    url = f"{scheme}://localhost:{node.ports[port]}/client.example"
    way = ["--mail-from", address, "--mail-rcpt", address, "--upload-file", str(note)]
    run(*curl, "--login-options", f"AUTH={mechanism}", "--url", url, *way)
    assert subjects(imap, "INBOX") == ["posted 1"]


@pytest.mark.parametrize(("scheme", "port"), [("imaps", "imaps"), ("imap", "imap")])
def test_curl_reads(node: Any, imap: IMAPClient, curl: list[str], note: Path, scheme: str, port: str) -> None:
    url = f"{scheme}://localhost:{node.ports[port]}"
    run(*curl, f"{url}/Archive", "--upload-file", note)
    assert "\\Archive" in run(*curl, f"{url}/")
    assert run(*curl, f"{url}/Archive?SUBJECT%20posted").split()[:2] == ["*", "SEARCH"]
    imap.select_folder("Archive", readonly=True)
    uid = imap.search()[0]
    assert run(*curl, f"{url}/Archive;UID={uid};SECTION=TEXT").strip() == "The minutes of meeting 1 are ready."


@pytest.mark.parametrize(("port", "starttls"), [("submissions", "off"), ("submission", "on")])
def test_msmtp_submits(node: Any, imap: IMAPClient, note: Path, tmp_path: Path, port: str, starttls: str) -> None:
    msmtp, person = need("msmtp"), node.person()
    config = tmp_path / "msmtprc"
    config.write_text(
        f"account default\nhost localhost\nport {node.ports[port]}\nauth on\ntls on\ntls_starttls {starttls}\n"
        f"tls_trust_file {node.facts['ca']}\nfrom {person['address']}\nuser {person['address']}\n"
        f"password {person['app_password']}\n"
    )
    config.chmod(0o600)
    run(msmtp, "-C", config, person["address"], input=note.read_text())
    assert subjects(imap, "INBOX") == ["posted 1"]


def test_a_submitted_message_of_many_segments_does_not_wait_for_a_delayed_acknowledgement(node: Any) -> None:
    address = node.person()["address"]
    message = f"From: {address}\r\nTo: {node.person(1)['address']}\r\nSubject: long\r\n\r\n" + "text\r\n" * 12_000
    took = []
    with node.submission() as client:
        for _ in range(10):
            began = time.monotonic()
            client.sendmail(address, [node.person(1)["address"]], message)
            took.append(time.monotonic() - began)
    assert sorted(took)[3] < 0.04  # Linux delays an ACK by 40 ms, and what it delays most of the time
