"""Witnesses' cosignatures on checkpoints (C2SP tlog-cosignature, https://c2sp.org/tlog-cosignature): Ed25519, pure.

A cosignature says: "at that time, this was the largest tree of that log I had seen, and it continued all I had seen
before". It is one more signature line of the checkpoint's note, and its message carries the time:

    cosignature/v1
    time 1679315147
    <the checkpoint's text>
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from node.anchor import note
from node.anchor.note import NoteError

HEADER = "cosignature/v1"
MAX_TIME = (1 << 63) - 1
AHEAD_SECONDS = 300  # what a witness's clock may be ahead of ours

_TIMESTAMPED_ED25519 = b"\x04"  # C2SP signed-note, signature types
_NAME = re.compile(r"[^\s+\x00-\x20]{1,255}\Z")
_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)\Z")
_LENGTH = 4 + 8 + 64  # key id, time, signature


@dataclass(frozen=True, slots=True)
class CosignatureKey:
    """A witness's key; its text form is `name+id+key`, as for logs, with another kind byte (0x04) in id and key."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise NoteError(f"{self.name[:80]!r} is no name of a witness: no spaces, no plus signs, 255 characters")
        if len(self.public) != 32:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @property
    def id(self) -> bytes:
        """Four bytes: a hint which key to try, no commitment to it."""
        return hashlib.sha256(self.name.encode() + b"\n" + _TIMESTAMPED_ED25519 + self.public).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> CosignatureKey:
        """Read `name+id+key`, checking the id.

        Raises:
            NoteError: it is none, or the key of a log, or of a kind that is not read here (ML-DSA).
        """
        match = _KEY.match(text.strip())
        if not match:
            raise NoteError(
                "a witness's key looks like witness.example/w1+1a2b3c4d+BCd...: name, id and key, joined by plus signs"
            )
        data = note.decode_base64(match[3], "the witness's key")
        if data[:1] != _TIMESTAMPED_ED25519:
            raise NoteError(f"the key of {match[1][:80]} is no witness's Ed25519 key: those begin with B after the id")
        key = cls(match[1], data[1:])
        if key.id.hex() != match[2]:
            raise NoteError("the witness key's id does not fit its name and key: a character is wrong")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_TIMESTAMPED_ED25519 + self.public).decode()}"


@dataclass(frozen=True, slots=True)
class CosignatureSigner:
    """A witness's private key. It signs for one name only: the message does not carry the name."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def key(self) -> CosignatureKey:
        """What others verify with."""
        return CosignatureKey(self.name, bytes(SigningKey(self.seed).verify_key))

    def cosign(self, text: str, time: int) -> str:
        """The signature line, newline included, for a checkpoint's text; `time` in seconds since 1970."""
        signature = SigningKey(self.seed).sign(_message(text, time)).signature
        data = self.key.id + time.to_bytes(8, "big") + signature
        return f"— {self.name} {base64.b64encode(data).decode()}\n"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's word that holds: who, and when (seconds since 1970, by its own clock)."""

    name: str
    time: int


def cosignatures(
    signed_note: str, keys: Iterable[CosignatureKey], *, now: int | None = None
) -> tuple[Cosignature, ...]:
    """Which of these witnesses have cosigned the note, in the keys' order; each counts once, with its newest time.

    Of two names with the same public key the first counts: one private key is one witness, whatever it is called.

    Args:
        signed_note: the checkpoint with all its signature lines. The log's own signature is not looked at.
        keys: of the witnesses that are trusted; other signatures are ignored.
        now: refuses times further ahead of it than `AHEAD_SECONDS`; None takes any.

    Raises:
        NoteError: malformed, or a line under a trusted key's name and id does not hold (C2SP signed-note: reject all).
    """
    text, signatures = note.split(signed_note)
    found = []
    counted: set[bytes] = set()
    for key in dict.fromkeys(keys):
        times = [_verified(text, key, data) for name, data in signatures if (name, data[:4]) == (key.name, key.id)]
        if times and key.public not in counted:
            counted.add(key.public)
            if now is not None and max(times) > now + AHEAD_SECONDS:
                raise NoteError(f"{key.name} cosigned {max(times) - now} s in the future: its clock or ours is wrong")
            found.append(Cosignature(key.name, max(times)))
    return tuple(found)


def with_lines(signed_note: str, lines: Iterable[str]) -> str:
    """The note with further signature lines, each ending in a newline; lines it has already are not repeated."""
    have = set(signed_note.splitlines(keepends=True))
    return signed_note + "".join(line for line in dict.fromkeys(lines) if line not in have)


def own_lines(text: str, answer: str, keys: Iterable[CosignatureKey], *, now: int | None = None) -> tuple[str, ...]:
    """The lines of a witness's answer that are cosignatures of these keys on the checkpoint's `text`.

    The answer is put behind the text and read as a note (C2SP tlog-witness, add-checkpoint). Lines of unknown keys are
    left out, so that a witness cannot fill our checkpoints with what it likes.

    Raises:
        NoteError: no lines of a note, or one that does not hold: another checkpoint's, replayed, or changed.
    """
    whole = f"{text}\n{answer}"
    if note.split(whole)[0] != text:
        raise NoteError("the witness answers more than signature lines")
    lines = []
    for key in keys:
        newest = cosignatures(whole, [key], now=now)
        if newest:
            lines.append(_line_of(answer, key, newest[0].time))
    return tuple(lines)


def _line_of(answer: str, key: CosignatureKey, time: int) -> str:
    start = base64.b64encode(key.id + time.to_bytes(8, "big")).decode()
    return next(f"{line}\n" for line in answer.split("\n") if line.startswith(f"— {key.name} {start}"))


def _verified(text: str, key: CosignatureKey, data: bytes) -> int:
    if len(data) != _LENGTH:
        raise NoteError(f"the cosignature of {key.name} has {len(data)} octets instead of {_LENGTH}")
    time = int.from_bytes(data[4:12], "big")
    if time > MAX_TIME:
        raise NoteError(f"the cosignature of {key.name} has an impossible time")
    try:
        VerifyKey(key.public).verify(_message(text, time), data[12:])
    except (BadSignatureError, ValueError):
        raise NoteError(f"the cosignature of {key.name} does not hold: checkpoint, time or line was changed") from None
    return time


def _message(text: str, time: int) -> bytes:
    if not 0 <= time <= MAX_TIME:
        raise ValueError("a cosignature's time lies between 0 and 2^63 - 1")
    return f"{HEADER}\ntime {time}\n{text}".encode()
