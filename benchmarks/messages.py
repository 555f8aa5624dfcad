"""Mail as people and machines write it, every message distinct, the same for the same number.

One repeated message would measure caches: of compression, of deduplication, of the classifier. So names, subjects,
sentences, amounts and identifiers are drawn anew for each number, and sizes scatter around the one asked for.
"""

from __future__ import annotations

import base64
import hashlib
import quopri
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime


def _words(text: str, between: str | None = None) -> list[str]:
    return text.split(between)


FIRST = _words(
    "Ada Amara Anton Beatriz Bilal Chiara Daan Dilnoza Elif Emeka Farid Freya Giulia Hana Henrik Ines Ivana Jamal Joon "
    "Katya Kofi Lena Linh Mateus Maud Nadia Niall Oksana Pavel Priya Quentin Rosa Samir Signe Tomas Uma Viktor Wanjiru "
    "Xenia Yannick Zofia"
)
LAST = _words(
    "Abiola Andersen Baptiste Brandt Castro Demir Eriksen Fontana Garcia Haddad Ibrahim Jansen Kaur Kowalski Lindqvist "
    "Mbeki Moreau Nakamura Novak Okafor Olsen Pereira Quist Rahman Romano Schmid Silva Tanaka Ueda Varga Weber Yilmaz"
)
PLACES = _words("Aarhus Bergen Bologna Cork Dakar Ghent Graz Kyoto Lisbon Nantes Oaxaca Porto Quito Turin Utrecht")
THINGS = _words(
    "the quarterly report|the lease for the warehouse|the new timetable|the draft contract|the budget for spring|"
    "the translation|the pump we ordered|the photographs|the test results|the guest list|the grant application|"
    "the delivery from the printer|the minutes of the last meeting|the prototype|the insurance papers|the survey|"
    "the second chapter|the server in the basement|the recipe for the soup|the bicycle|the travel expenses|the menu",
    "|",
)
PEOPLE = _words(
    "my sister|the landlord|our accountant|the new intern|the people from the museum|the school|the dentist|"
    "the carrier|the team in the other office|the choir|the supplier|a neighbour|the bank|the author|the trainer",
    "|",
)
SENTENCES = (
    "I have read {thing} twice now and still cannot see why the figure on page {small} is {money}.",
    "Could you ask {people} whether {thing} will be ready before {day}?",
    "{name} called about {thing}; it seems {people} never got it.",
    "We moved the meeting to {day} at {hour}, same room, because {people} could not make it earlier.",
    "If nothing goes wrong we should be in {place} by {day}, and then {name} can take over.",
    "Please do not send {thing} to {people} yet, {name} wants to look at it first.",
    "The last invoice was {money}, which is {small} percent more than in {place}.",
    "It rained for {small} days, so {thing} is still waiting in {place}.",
    "I put {thing} into the shared folder under number {number}; tell me if you cannot open it.",
    "Thank you for {thing}, {people} liked it a lot, especially the part about {place}.",
    "As for {thing}: yes, but only if {people} agree, and not before {day}.",
    "By the way, {name} and {name} are getting married in {place}, have you heard?",
    "There were {small} questions left after the call with {people}, most of them about {thing}.",
    "The train from {place} arrives at {hour}; {people} will pick us up.",
    "We counted again and there are {number} of them, not {number}.",
    "Whoever finishes {thing} first gets the cake, said {name}.",
)
TOPICS = (
    "{thing}: a question",
    "Re: {thing}",
    "{day} in {place}",
    "News from {name}",
    "Your order {number} is on its way",
    "Invoice {number} ({money})",
    "Fwd: {people} and {thing}",
    "Minutes, {day}",
    "Reminder: {thing} until {day}",
)
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
STYLE = "font-family:Georgia,serif;font-size:15px;line-height:1.5;color:#{0:02x}{0:02x}{0:02x};margin:0 0 12px"

Draw = random.Random


def small(number: int, to: str = "ann@waxseal.test") -> bytes:
    """A plain text message of about 4 KB, CRLF."""
    draw = Draw(f"small {number}")
    head = [*_head(draw, to), 'Content-Type: text/plain; charset="utf-8"', "Content-Transfer-Encoding: 7bit"]
    return _message(head, _wrapped(_prose(draw, round(draw.gauss(2700, 350)))))


def large(number: int, to: str = "ann@waxseal.test") -> bytes:
    """A message of about 40 KB, CRLF: text and HTML, and in one of four a small attachment beside a shorter text."""
    draw = Draw(f"large {number}")
    with_file = draw.random() < 0.25
    prose = _prose(draw, round(draw.gauss(3500 if with_file else 14500, 300)))
    text = _part('text/plain; charset="utf-8"', "7bit", _wrapped(prose))
    html = quopri.encodestring(_html(draw, prose).encode()).replace(b"\n", b"\r\n").decode()
    both = _multipart(draw, "alternative", [text, _part('text/html; charset="utf-8"', "quoted-printable", html)])
    if with_file:
        name = f"scan-{draw.randrange(10**6)}.pdf"
        body = base64.encodebytes(draw.randbytes(19_000)).replace(b"\n", b"\r\n").decode()
        kind = f'application/pdf; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"'
        both = _multipart(draw, "mixed", [f"{both[0]}\r\n\r\n{both[1]}", _part(kind, "base64", body)])
    return _message([*_head(draw, to), both[0]], both[1])


SIZES: dict[str, Callable[[int, str], bytes]] = {"4k": small, "40k": large}


SLOTS: dict[str, Callable[[Draw], str]] = {
    "thing": lambda draw: draw.choice(THINGS),
    "people": lambda draw: draw.choice(PEOPLE),
    "name": lambda draw: draw.choice(FIRST),
    "place": lambda draw: draw.choice(PLACES),
    "day": lambda draw: draw.choice(DAYS),
    "hour": lambda draw: f"{draw.randrange(7, 22)}:{draw.randrange(0, 60, 5):02d}",
    "money": lambda draw: f"EUR {draw.randrange(20, 9000)}.{draw.randrange(100):02d}",
    "small": lambda draw: str(draw.randrange(2, 30)),
    "number": lambda draw: str(draw.randrange(1000, 99999)),
}


def _fill(draw: Draw, template: str) -> str:
    """The template with every slot drawn anew."""
    text = re.sub(r"\{(\w+)\}", lambda slot: SLOTS[slot[1]](draw), template)
    return text[:1].upper() + text[1:]


def _prose(draw: Draw, length: int) -> str:
    """Paragraphs of sentences, at least `length` characters together."""
    paragraphs = [f"Dear {draw.choice(FIRST)},"]
    while sum(map(len, paragraphs)) < length:
        paragraphs.append(" ".join(_fill(draw, draw.choice(SENTENCES)) for _ in range(draw.randrange(2, 7))))
    return "\n\n".join([*paragraphs, f"Best,\n{draw.choice(FIRST)}"])


def _wrapped(prose: str) -> str:
    lines = [""]
    for word in prose.replace("\n", " \n ").split(" "):
        if word == "\n":
            lines.append("")
        elif len(lines[-1]) + len(word) > 71:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return "\r\n".join(lines) + "\r\n"


def _html(draw: Draw, prose: str) -> str:
    style = STYLE.format(draw.randrange(20, 90))
    rows = "\n".join(f'<p style="{style}">{paragraph}</p>' for paragraph in prose.split("\n\n"))
    return f"<html><head><title>{_fill(draw, '{thing}')}</title></head>\n<body>\n{rows}\n</body></html>\n"


def _part(kind: str, encoding: str, body: str) -> str:
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"


def _multipart(draw: Draw, kind: str, parts: list[str]) -> tuple[str, str]:
    """The Content-Type field and the body."""
    boundary = f"part_{draw.getrandbits(96):024x}"
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"', f"{body}--{boundary}--\r\n"


def _head(draw: Draw, to: str) -> list[str]:
    first, last, token = draw.choice(FIRST), draw.choice(LAST), f"{draw.getrandbits(80):020x}"
    domain = f"{last.lower()}-{draw.randrange(500)}.example"
    when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=draw.randrange(300 * 86400))
    signature = base64.b64encode(draw.randbytes(256)).decode()
    folded = "\r\n\t".join(signature[at : at + 64] for at in range(0, len(signature), 64))
    body_hash = base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()
    return [
        f"Received: from desk-{draw.randrange(99)}.{domain} (desk.{domain} [192.0.2.{draw.randrange(1, 255)}])\r\n"
        f"\tby mail.{domain} with ESMTPSA id {token[:12]}\r\n\tfor <{to}>; {format_datetime(when)}",
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=m{draw.randrange(9)};\r\n"
        f"\th=from:to:subject:date:message-id; bh={body_hash};\r\n\tb={folded}",
        f"From: {first} {last} <{first.lower()}@{domain}>",
        f"To: <{to}>",
        f"Subject: {_fill(draw, draw.choice(TOPICS))}",
        f"Date: {format_datetime(when)}",
        f"Message-ID: <{token}@{domain}>",
        "MIME-Version: 1.0",
    ]


def _message(head: list[str], body: str) -> bytes:
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


if __name__ == "__main__":
    for label, make in SIZES.items():
        sizes = sorted(len(make(number, "ann@waxseal.test")) for number in range(400))
        print(f"{label}: median {sizes[200]} octets, 5-95 %: {sizes[20]}-{sizes[380]}")
