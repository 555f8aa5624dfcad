"""Clients that people use: imaplib, IMAPClient, mbsync, against the real server."""

from __future__ import annotations

import imaplib
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
from imapclient import IMAPClient

pytestmark = pytest.mark.anyio

MAIL = b"From: ann@example.org\r\nTo: bob@example.org\r\nSubject: h\xc3\xa4llo\r\n\r\nHello there\r\n"


async def in_thread(work: Any) -> Any:
    with trio.fail_after(60):
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)


async def test_imaplib(serving: Any) -> None:
    async with serving() as house:
        await house.fill(3)

        def work() -> None:
            with imaplib.IMAP4("127.0.0.1", house.port, timeout=20) as client:
                client.login("ann", "pw")
                assert client.select("INBOX") == ("OK", [b"3"])
                assert client.search(None, "SUBJECT", '"Hello 2"') == ("OK", [b"2"])
                kind, data = client.fetch("2", "(RFC822)")
                assert kind == "OK"
                assert data[0][1].endswith(b"Body of 2\r\n")  # type: ignore[index]
                assert client.create("Work")[0] == "OK"
                when = imaplib.Time2Internaldate(datetime(2026, 1, 2, tzinfo=UTC))
                assert client.append("Work", "(\\Seen)", when, MAIL)[0] == "OK"
                assert client.copy("1", "Work")[0] == "OK"
                assert client.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
                assert client.expunge() == ("OK", [b"1"])
                assert client.status("Work", "(MESSAGES UNSEEN)") == ("OK", [b"Work (MESSAGES 2 UNSEEN 1)"])
                assert client.list()[0] == "OK"
                assert client.lsub()[0] == "OK"
                assert client.uid("FETCH", "2:*", "(FLAGS)")[0] == "OK"
                assert client.namespace()[0] == "OK"
                assert client.delete("Work")[0] == "OK"
                assert client.close()[0] == "OK"

        await in_thread(work)


async def test_imapclient(serving: Any) -> None:
    async with serving() as house:
        await house.fill(5)

        def work() -> None:
            client = IMAPClient("127.0.0.1", house.port, ssl=False, timeout=20)
            with client:
                client.login("ann", "pw")
                client.id_({"name": "IMAPClient"})
                assert client.find_special_folder(b"\\Junk") == "Junk"
                assert client.select_folder("INBOX")[b"EXISTS"] == 5
                data = client.fetch([1, 2], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "BODY.PEEK[1]<0.4>"])
                assert data[1][b"ENVELOPE"].subject == b"Hello 1"
                assert data[1][b"ENVELOPE"].from_[0].mailbox == b"ann"
                assert data[2][b"BODY[1]<0>"] == b"Body"
                assert data[1][b"BODYSTRUCTURE"][0] == b"text"
                assert client.search(["FROM", "ann@example.org", "UNSEEN"]) == [1, 2, 3, 4, 5]
                assert client.search(["TEXT", "häh"], charset="UTF-8") == []
                client.create_folder("Entwürfe/2026")
                assert "Entwürfe/2026" in [name for _, _, name in client.list_folders()]
                client.append("Entwürfe/2026", MAIL, flags=["\\Draft"])
                assert client.folder_status("Entwürfe/2026", ["MESSAGES"]) == {b"MESSAGES": 1}
                client.move([1, 2], "Archive")
                assert client.search() == [3, 4, 5]
                client.add_flags([3], ["\\Flagged", "$Label1"])
                assert client.get_flags([3])[3] == (b"\\Flagged", b"$Label1")
                client.delete_messages([4])
                client.uid_expunge([4])
                client.idle()
                other = IMAPClient("127.0.0.1", house.port, ssl=False, timeout=20)
                with other:
                    other.login("ann", "pw")
                    other.append("INBOX", MAIL)
                assert (3, b"EXISTS") in client.idle_check(timeout=10)
                client.idle_done()
                client.rename_folder("Entwürfe/2026", "Drafts/2026")
                client.subscribe_folder("Drafts/2026")
                client.unselect_folder()
                client.delete_folder("Drafts/2026")

        await in_thread(work)


MBSYNC = """
IMAPStore far
Host 127.0.0.1
Port {port}
User ann
Pass pw
SSLType None
AuthMechs *

MaildirStore near
Path {path}/
Inbox {path}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""


@pytest.mark.skipif(shutil.which("mbsync") is None, reason="mbsync is not installed (Debian package isync)")
async def test_mbsync(serving: Any, tmp_path: Path) -> None:
    near = tmp_path / "near"
    near.mkdir()
    rc = tmp_path / "mbsyncrc"

    def sync() -> None:
        done = subprocess.run(["mbsync", "-c", rc, "-a"], capture_output=True, text=True, timeout=50, check=False)
        assert done.returncode == 0, done.stderr

    async with serving() as house:
        await house.fill(20)
        rc.write_text(MBSYNC.format(port=house.port, path=near))
        await in_thread(sync)
        inbox = sorted((near / "INBOX" / "new").iterdir())
        assert len(inbox) == 20
        assert (near / "Junk").is_dir()
        # A message read, one removed and one written on the near side come over.
        inbox[0].rename(near / "INBOX" / "cur" / (inbox[0].name.partition(":")[0] + ":2,S"))
        inbox[1].unlink()
        (near / "INBOX" / "new" / f"{int(time.time())}.1.host").write_bytes(MAIL.replace(b"\r\n", b"\n"))
        await in_thread(sync)
        client = await house.ready()
        assert (await client.ok("SEARCH SEEN"))[0].count(b" ") == 2
        assert len((await client.ok("UID SEARCH ALL"))[0].split()) == 22
        assert (await client.ok("SEARCH BODY there"))[0] == b"* SEARCH 20"
