"""Sample messages: what `waxseal dev` offers to send and what `waxseal demo` sends."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

ATTACHMENT_BYTES = 12 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One message and how it travels: from whom, and whether its sender logs in to submit it."""

    name: str
    sender: str
    content: bytes
    is_submitted: bool = False


def _message(sender: str, to: str, subject: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">"))
    return message


def note(to: str, sender: str = "Nora Lindqvist <nora@example.org>") -> bytes:
    """An ordinary note between people."""
    message = _message(sender, to, "Notes from Tuesday and the plan for the reading group")
    message.set_content(
        "Hi,\n\nthanks for coming on Tuesday. I typed up what we said about the second chapter and put it into the\n"
        "shared folder. Sam will bring the printed pages next week, so nobody needs to copy anything.\n\n"
        "Could you tell me by Friday whether 7 pm still works for you? The room is ours until nine.\n\nBest,\nNora\n"
    )
    return message.as_bytes()


def spam(to: str) -> bytes:
    """Bulk spam of the old school."""
    message = _message(
        '"Rx Discount Center" <promo@best-rx-deals.example>', to, "SAVE 80% on V1AGRA & Cialis - order NOW!!!"
    )
    message.set_content(
        "Dear Friend,\n\nCHEAP MEDS ONLINE! No prescription required!!! Viagra $1.15, Cialis $1.99, Xanax $2.50.\n"
        "Our licensed pharmacy ships worldwide overnight. 100% satisfaction guaranteed or your money back!\n\n"
        "ORDER NOW: http://best-rx-deals.example/order?id=8841\n\n"
        "You will also win a FREE bonus pack of pills. Limited time offer, act now, click here!\n"
        "To be removed: http://best-rx-deals.example/remove\n"
    )
    return message.as_bytes()


def phishing(to: str) -> bytes:
    """A lure that shows one address and links to another."""
    message = _message(
        '"PayPaI Security" <service@account-verify.example>', to, "Your account has been limited - verify now"
    )
    message["Reply-To"] = "support@secure-login.example"
    text = (
        "Dear customer,\n\nWe detected unusual activity and your account has been suspended. You must verify your\n"
        "account information and password within 24 hours or it will be closed permanently.\n\n"
        "http://www.paypal.com.account-verify.example/login\n\nSecurity Department\n"
    )
    message.set_content(text)
    message.add_alternative(
        "<html><body><p>Dear customer,</p><p>We detected unusual activity and your account has been <b>suspended</b>. "
        "You must verify your account information and password within 24 hours or it will be closed permanently.</p>"
        '<p><a href="http://203.0.113.9/login.php?id=77123">https://www.paypal.com/signin</a></p>'
        '<div style="display:none">weekly minutes budget garden recipe</div><p>Security Department</p></body></html>',
        subtype="html",
    )
    return message.as_bytes()


def large(sender: str, to: str, size: int = ATTACHMENT_BYTES) -> bytes:
    """A mail with an attachment that no compressor can shrink (SHAKE-256 of its own name)."""
    message = _message(sender, to, "The recording you asked for")
    message.set_content("Here it is; it is large, but your client will not notice where it is kept.\n")
    data = hashlib.shake_256(b"waxseal sample %d %d" % (size, time.time_ns())).digest(size)
    message.add_attachment(data, maintype="application", subtype="octet-stream", filename="recording.bin")
    return message.as_bytes()


def demo_samples(sender: str, to: str, attachment: int = ATTACHMENT_BYTES) -> tuple[Sample, ...]:
    """The four messages of `waxseal demo`, from outside and from a person of the node's own."""
    return (
        Sample("normal", "nora@example.org", note(to)),
        Sample("spam", "promo@best-rx-deals.example", spam(to)),
        Sample("phishing", "service@account-verify.example", phishing(to)),
        Sample("large attachment", sender, large(sender, to, attachment), is_submitted=True),
    )
