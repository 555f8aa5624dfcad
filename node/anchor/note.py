"""Signed notes (C2SP signed-note v1, https://c2sp.org/signed-note): a text and who vouches for it. Ed25519 only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from node.base.errors import WaxsealError

MAX_SIZE = 1 << 16  # octets of a whole note; more than a hundred signatures fit
MAX_SIGNATURES = 100  # the specification asks for at least 16

_ED25519 = b"\x01"
_NAME = re.compile(r"[^\s+\x00-\x20]+\Z")
_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)\Z")
_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)\Z")


class NoteError(WaxsealError):
    """The note, checkpoint or proof is malformed, or nobody we trust has signed it; the text says which."""


def decode_base64(text: str, what: str) -> bytes:
    """Standard base64 with padding, one spelling only.

    Raises:
        NoteError: also for the spellings that lenient decoders take for the same bytes (set trailing bits, line ends).
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError(f"{what} is no base64") from None
    if base64.b64encode(data).decode() != text:
        raise NoteError(f"{what} is not in canonical base64")
    return data


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A key that notes are verified with; its text form is the one of Go's `sumdb/note`: name+id+key."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise NoteError(f"{self.name[:80]!r} is no name of a key: it needs characters, and no spaces or plus signs")
        if len(self.public) != 32:
            raise NoteError("an Ed25519 public key has 32 bytes")

    @property
    def id(self) -> bytes:
        """Four bytes: a hint which key to try, no commitment to it."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> NoteKey:
        """Read `name+id+key`, checking the id."""
        match = _KEY.match(text.strip())
        if not match:
            raise NoteError(
                "a log key looks like example.org/log+1a2b3c4d+AbCd...: name, id and key, joined by plus signs"
            )
        data = decode_base64(match[3], "the log key")
        if data[:1] != _ED25519:
            raise NoteError("the log key is of another kind than Ed25519")
        key = cls(match[1], data[1:])
        if key.id.hex() != match[2]:
            raise NoteError("the log key's id does not fit its name and key: a character is wrong")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A private key that signs notes under a name."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def key(self) -> NoteKey:
        """What others verify with."""
        return NoteKey(self.name, bytes(SigningKey(self.seed).verify_key))

    def sign(self, text: str) -> str:
        """The note: text, blank line, signature line."""
        return sign(text, self)

    def line(self, text: str) -> str:
        """This key's signature line under a text."""
        signature = SigningKey(self.seed).sign(text.encode()).signature
        return f"— {self.name} {base64.b64encode(self.key.id + signature).decode()}\n"


def sign(text: str, *signers: NoteSigner) -> str:
    """The note with a line of each signer, in their order."""
    if not text.endswith("\n") or has_controls(text):
        raise ValueError("a note's text ends in a newline and has no other control characters")
    return f"{text}\n{''.join(signer.line(text) for signer in signers)}"


def has_controls(text: str) -> bool:
    """Whether the text has a control character other than newline, or what UTF-8 cannot carry."""
    return any((c < " " and c != "\n") or "\ud800" <= c <= "\udfff" for c in text)


def split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note and its signatures as (key name, id and signature). Nothing is verified yet.

    Raises:
        NoteError: the note is not well formed.
    """
    if len(note) > MAX_SIZE or has_controls(note):
        raise NoteError(f"a note is UTF-8 text without control characters, at most {MAX_SIZE} octets")
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteError("the note has no signatures: a blank line and signature lines must follow its text")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"the note has more than {MAX_SIGNATURES} signatures")
    return text + "\n", [_signature(line) for line in lines]


def verify(note: str, key: NoteKey) -> str:
    """The note's text, once `key` is known to have signed it. Other keys' signatures are ignored, as the rule is.

    Raises:
        NoteError: malformed, not signed by this key, or the signature does not hold.
    """
    text, signatures = split(note)
    found = False
    for name, data in signatures:
        if (name, data[:4]) != (key.name, key.id):
            continue
        try:
            VerifyKey(key.public).verify(text.encode(), data[4:])
        except (BadSignatureError, ValueError):
            raise NoteError(f"the signature of {name} does not hold: text or signature was changed") from None
        found = True
    if not found:
        raise NoteError(f"not signed by {key.name} with the key {key.id.hex()}")
    return text


def _signature(line: str) -> tuple[str, bytes]:
    match = _SIGNATURE_LINE.match(line)
    if not match:
        raise NoteError(f"bad signature line {line[:80]!r}")
    data = decode_base64(match[2], "a signature")
    if len(data) < 5:
        raise NoteError("a signature is too short")
    return match[1], data
