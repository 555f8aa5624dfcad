"""Which messages the filters learn and judge, and the form of them that a fresh delivery would have.

The public corpora give their labels away beside the text (DATASET.md beside the corpus, "Known leaks"): list headers,
traces of the collector's own filter, dates, recipients. `fresh` removes what tells who collected a message, for every
filter alike.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from ai.data.corpus import NEVER_TRAINED_ON, Sample, read_split

RECIPIENT = b"user@example.net"
# What the sender's own program wrote about the message. The rest is added on the way, or tells the corpus.
KEPT = frozenset(
    b"from sender reply-to to cc subject date message-id mime-version auto-submitted x-mailer user-agent importance "
    b"x-priority".split()
)
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
_NEXT_FIELD = re.compile(rb"\r?\n(?![ \t])")
_LIST_TAG = re.compile(rb"^((?:\s*(?:re|fwd?|aw)\s*:)*)\s*\[[^\]\r\n]{2,40}\]\s*", re.IGNORECASE)
_HOST = re.compile(rb"@([\w.-]{1,253})")
_RULE = re.compile(rb"^[_=-]{10,}\s*$")
_BY_A_LIST = re.compile(rb"mailing list|mailman|unsubscribe", re.IGNORECASE)


def choose(kinds: Mapping[str, Sequence[str]], count: int, seed: int) -> set[str]:
    """Draw ``count`` ids so that every kind keeps its share (largest remainders); the same seed draws the same."""
    total = sum(map(len, kinds.values()))
    if count >= total:
        return {id for ids in kinds.values() for id in ids}
    shares = {kind: len(ids) * count / total for kind, ids in kinds.items()}
    numbers = {kind: int(share) for kind, share in shares.items()}
    by_remainder = sorted(shares, key=lambda kind: (numbers[kind] - shares[kind], kind))
    for kind in by_remainder[: count - sum(numbers.values())]:
        numbers[kind] += 1
    drawn = (random.Random(f"{seed} {kind}").sample(sorted(kinds[kind]), number) for kind, number in numbers.items())
    return {id for ids in drawn for id in ids}


def sampled(corpus: Path, split: str, count: int, seed: int, *, may_train: bool = False) -> Iterator[Sample]:
    """Yield ``count`` messages of a split, every source and label with its share; all when there are fewer.

    ``may_train`` leaves out the sources that must train nothing (`NEVER_TRAINED_ON`).
    Raises FileNotFoundError when the corpus is not there.
    """
    kinds: dict[str, list[str]] = {}
    for line in (corpus / f"{split}.index.jsonl").read_text().splitlines():
        row = json.loads(line)
        source = row["src"].partition("/")[0]
        if not (may_train and source in NEVER_TRAINED_ON):
            kinds.setdefault(f"{source} {row['label']}", []).append(row["id"])
    wanted = choose(kinds, count, seed)
    for sample in read_split(corpus, split):
        if sample.id in wanted:
            yield sample


def as_fresh(sample: Sample, date: bytes) -> Sample:
    """The sample with its message in the fresh form."""
    return replace(sample, raw=fresh(sample.raw, date))


def fresh(raw: bytes, date: bytes) -> bytes:
    """The message as it might be handed over now, at ``date`` (RFC 5322 §3.3), to a neutral recipient. Never raises.

    Header: the fields of `KEPT` and Content-*, in their order; list tags leave the subject, recipients and the local
    part of Message-ID are replaced. Body: untouched but for a mailing list's footer and the collector's own address.
    Lines end in CRLF, as SMTP brings them.
    """
    if raw.startswith(b"From "):  # an mbox's separator
        raw = raw.partition(b"\n")[2]
    end = _END_OF_HEADER.search(raw)
    head, body = (raw[: end.start()], raw[end.end() :]) if end else (raw, b"")
    fields = []
    for field in _NEXT_FIELD.split(head):
        name, colon, value = field.partition(b":")
        key = name.strip().lower()
        if colon and (key in KEPT or key.startswith(b"content-")):
            fields.append(name + b": " + _neutral(key, value.strip(), date, raw))
    body = _without_list_footer(body.replace(b"phishing@pot", RECIPIENT))
    return (b"\n".join(fields) + b"\n\n" + body).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _neutral(key: bytes, value: bytes, date: bytes, raw: bytes) -> bytes:
    """A field's value without what tells the corpus."""
    if key in (b"to", b"cc"):
        return RECIPIENT
    if key == b"date":
        return date
    if key == b"subject":
        return _LIST_TAG.sub(rb"\1 ", value).strip()
    if key == b"message-id":
        host = _HOST.search(value)
        return b"<" + sha256(raw).hexdigest()[:20].encode() + b"@" + (host[1] if host else b"mail.example") + b">"
    return value.replace(b"phishing@pot", RECIPIENT)


def _without_list_footer(body: bytes) -> bytes:
    """Cut the block that a list server puts below a text: a rule, then some lines that name the list."""
    start = max(0, len(body) - 3000)
    lines = body[start:].split(b"\n")
    for number, line in enumerate(lines):
        below = lines[number + 1 : number + 7]
        if _RULE.match(line) and any(map(_BY_A_LIST.search, below)):
            rest = next((at for at in range(number + 1, len(lines)) if lines[at].startswith(b"--")), len(lines))
            return body[:start] + b"\n".join(lines[:number] + lines[rest:])
    return body
