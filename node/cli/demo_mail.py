"""The demo's mail clients: the standard library's own, so that nothing of ours talks to itself."""

from __future__ import annotations

import base64
import email
import email.policy
import imaplib
import re
import smtplib
import ssl
import urllib.request
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from node.base.errors import Permanent
from node.cli.samples import Sample

SECONDS = 120.0
PARTIAL = (5_000_001, 100_003)  # start and length of the partial fetch, across leaves and lines


@dataclass(frozen=True, slots=True)
class Kept:
    """One message as it was read back.

    Attributes:
        content: every octet.
        is_same: what was sent is its end, and every later reading, whole or in part, gave the same octets.
    """

    name: str
    mailbox: str
    content: bytes
    verdict: str
    is_same: bool

    @property
    def short_verdict(self) -> str:
        """Label and score alone, such as "spam 0.99"."""
        found = re.search(r"content=(\w+) score=([\d.]+)", self.verdict)
        return f"{found[1]} {float(found[2]):.2f}" if found else self.verdict

    @property
    def is_large(self) -> bool:
        """True when its attachment is to move to the block store."""
        return len(self.content) > 1 << 20


class Mailroom:
    """Sends and reads as the two people of a local node; facts as `waxseal dev --json` gives them."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._tls = ssl.create_default_context(cafile=facts["ca"])
        self.domain: str = facts["domain"]

    def address(self, index: int) -> str:
        """A person's address."""
        return str(self._facts["people"][index]["address"])

    def send_and_read(self, sample: Sample) -> Kept:
        """Send a sample to the second person, and read it back over IMAP."""
        to = self.address(1)
        if sample.is_submitted:
            with smtplib.SMTP("localhost", self._facts["ports"]["submission"], timeout=SECONDS) as client:
                client.starttls(context=self._tls)
                client.login(self.address(0), self._facts["people"][0]["app_password"])
                client.sendmail(sample.sender, [to], sample.content)
        else:
            with smtplib.SMTP("127.0.0.1", self._facts["ports"]["smtp"], "mx.example.org", SECONDS) as client:
                client.sendmail(sample.sender, [to], sample.content)
        return self._read(sample)

    def _read(self, sample: Sample) -> Kept:
        identity = email.message_from_bytes(sample.content)["Message-ID"].strip()
        with self._imap() as client:
            for mailbox in ("INBOX", "Junk"):
                client.select(mailbox, readonly=True)
                found = client.search(None, "HEADER", "Message-ID", f'"{identity}"')[1][0].split()
                if found:
                    content = _octets(client.fetch(found[-1].decode(), "(BODY.PEEK[])"))
                    header = email.message_from_bytes(content, policy=email.policy.default)
                    verdict = str(header["X-Waxseal-Verdict"] or "sent by a person of ours")
                    is_same = content.endswith(sample.content)
                    return Kept(sample.name, mailbox, content, verdict.partition("; ")[2] or verdict, is_same)
        raise Permanent(f"the {sample.name} was accepted, but is in no mailbox: please report this")

    def read_again(self, kept: Kept) -> Kept:
        """Read it once more, whole and in part; by now its attachment may lie elsewhere."""
        identity = email.message_from_bytes(kept.content)["Message-ID"].strip()
        start, length = PARTIAL
        with self._imap() as client:
            client.select(kept.mailbox, readonly=True)
            number = client.search(None, "HEADER", "Message-ID", f'"{identity}"')[1][0].split()[-1].decode()
            whole = _octets(client.fetch(number, "(BODY.PEEK[])"))
            part = _octets(client.fetch(number, f"(BODY.PEEK[]<{start}.{length}>)"))
        is_same = whole == kept.content and part == kept.content[start : start + length]
        return replace(kept, is_same=kept.is_same and is_same)

    def receipt(self, kept: Kept) -> bytes:
        """The receipt, over HTTP, as its reader."""
        reader = self._facts["people"][1]
        token = base64.b64encode(f"{reader['address']}:{reader['app_password']}".encode()).decode()
        url = f"http://127.0.0.1:{self._facts['ports']['http']}/receipts/{sha256(kept.content).hexdigest()}"
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {token}"})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return bytes(answer.read())

    def _imap(self) -> imaplib.IMAP4_SSL:
        client = imaplib.IMAP4_SSL("localhost", self._facts["ports"]["imaps"], ssl_context=self._tls, timeout=SECONDS)
        client.login(self.address(1), self._facts["people"][1]["app_password"])
        return client


def _octets(reply: tuple[str, list[Any]]) -> bytes:
    """The literal of a FETCH reply; nothing when the part asked for is beyond the end."""
    return next((bytes(item[1]) for item in reply[1] if isinstance(item, tuple)), b"")
