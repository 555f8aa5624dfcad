"""A receipt by mail: a short letter with the receipt as a file, to whoever is to be able to prove the message."""

from __future__ import annotations

import binascii
import json
import secrets

from node.anchor.leaf import Direction
from node.anchor.log import Log
from node.anchor.receipt import Receipt
from node.base.address import Address
from node.flow.deliver import Order, deliver
from node.flow.parcel import small_parcel
from node.mail.compose import date, one_line
from node.store.database import Writing

WORDS = """\
The file is the receipt of a message, for whoever holds that message: together they
prove that this node accepted it, unchanged, before a certain moment.

  SHA-256 of the message:  {sha256}
  Anchored on:             {where}

To check it, without asking this node:

  waxseal verify message.eml --receipt receipt.json --log-key KEY

with the log's key from the node's operator, or with the verifier in one file that
`waxseal receipt --with-verifier` writes, which needs Python alone. Keep the file:
with its salt goes the possibility to prove anything.
"""


def letter(receipt: Receipt, host: str, reader: Address, time: int) -> bytes:
    """The whole message, CRLF line ends, ASCII; Auto-Submitted keeps vacation programs quiet (RFC 3834 §5).

    Args:
        host: our own name.
        time: unix seconds.
    """
    boundary = f"receipt-{secrets.token_hex(16)}"
    where = ", ".join(place.chain for place in receipt.anchors) or "no chain yet; ask again later"
    words = WORDS.format(sha256=receipt.sha256, where=where)
    facts = json.dumps(receipt.model_dump(mode="json"), indent=1)  # ASCII, in short lines but for the proof
    head = [
        f"From: Mail node {one_line(host)} <postmaster@{one_line(host)}>",
        f"To: <{one_line(str(reader))}>",
        f"Subject: Receipt for message {receipt.sha256[:16]}",
        f"Date: {date(time)}",
        f"Message-ID: <receipt.{secrets.token_hex(12)}@{one_line(host)}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        *words.splitlines(),
        f"--{boundary}",
        'Content-Type: application/json; name="receipt.json"',
        'Content-Disposition: attachment; filename="receipt.json"',
        "Content-Transfer-Encoding: base64",
        "",
        *_base64_lines(facts.encode("ascii")),
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(head).encode("utf-8")


def send(tx: Writing, receipt: Receipt, host: str, reader: Address, *, log: Log, time: int) -> None:
    """Put the letter into the reader's mailbox, or into the spool; with a null reverse-path, so that nothing bounces.

    Raises:
        RecipientGone: nobody here has that address.
    """
    order = Order(sender="", recipients=(reader,), direction=Direction.SUBMITTED, may_leave=True)
    deliver(tx, small_parcel(letter(receipt, host, reader, time)), order, log)


def _base64_lines(data: bytes) -> list[str]:
    return [binascii.b2a_base64(data[at : at + 57], newline=False).decode() for at in range(0, len(data), 57)]
