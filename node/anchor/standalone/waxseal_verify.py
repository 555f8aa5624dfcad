"""Checks a mail message against its Waxseal receipt. One file; needs Python 3.11 or newer and nothing else.

    python3 waxseal_verify.py message.eml receipt.json --log-key KEY --rpc https://... --rpc https://...

Eight steps, each of which holds, does not hold, or is not checked:

1. message      the bytes at hand are those the receipt is about (SHA-256), as they are or with an export undone
2. leaf         the receipt's facts make up a leaf of the log
3. inclusion    that leaf stands in the tree that the checkpoint describes (RFC 9162 2.1.3.2)
4. checkpoint   the log's key has signed that tree's size and root (C2SP tlog-checkpoint, Ed25519)
5. registry     the key is registered for the log, and was in force (only with --registry)
6. chain        the contract TreeHeads holds the same root since a block that is final; two thirds of the servers agree
7. consistency  a later checkpoint of the log continues that tree (only with --later or --log)
8. witnesses    others have cosigned the checkpoint (only with --witness)

Exit code: 0 all hold (of 5, 7 and 8 those that were asked for); 1 one does not hold; 2 usage, or a file that cannot be
read; 3 what could be checked holds, but not all could be. What the steps are worth is told in docs/proof.md of Waxseal.
This file is written apart from the node's own verifier: both are held to the same answers by a test.
"""
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: T201  it is a program of its own

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from itertools import combinations
from typing import Any, NoReturn

MAX_MESSAGE, MAX_RECEIPT, MAX_NOTE, MAX_ANSWER = 1 << 28, 1 << 17, 1 << 16, 4 << 20
SECONDS = 20.0  # for one answer
MARKS = {True: "holds", False: "DOES NOT HOLD", None: "not checked"}
NAMES = ("message", "leaf", "inclusion", "checkpoint", "registry", "chain", "consistency", "witnesses")
OPTIONAL = {5, 7, 8}


class Unreadable(Exception):
    """Something is not what it should be; the text says what."""


class Unknown(Exception):
    """Something could not be found out; the text says why."""


class NoState(Unknown):
    """A server does not keep a block's state any more, or has no such block."""


@dataclass(frozen=True)
class Step:
    """One step's result; `asked` is false for a step that nobody asked for."""

    number: int
    holds: bool | None
    words: str
    asked: bool = True


# --- Ed25519 (RFC 8032 5.1), verification only -------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]  # extended coordinates: X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z


def add(a: Point, b: Point) -> Point:
    """The sum of two points."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P


def multiply(scalar: int, point: Point) -> Point:
    """A point times a number."""
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def decompress(data: bytes) -> Point | None:
    """The point of an encoding; None for what is none, for a second spelling, and for a point of small order."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x * x % P != square or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    point = (x, y, 1, x * y % P)
    eighth = multiply(8, point)
    return None if eighth[0] == 0 and eighth[1] == eighth[2] else point


BASE = decompress((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def signed_by(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature holds."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, point, s = decompress(public), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if key is None or point is None or BASE is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(point, multiply(h, key))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


# --- Merkle tree (RFC 9162 2.1) ----------------------------------------------------------------------------------

Hash = Callable[[int, int], bytes]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Two subtrees' parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def includes(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Whether the audit path leads from the leaf to the root (2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            value = node_hash(sibling, value)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and value == root


def continues(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> bool:
    """Whether the old tree is the beginning of the new one (2.1.4.2)."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == hashlib.sha256().digest()
    hashes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not 0 < old < new or not hashes:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and (first, second) == (old_root, new_root)


def subtree(start: int, end: int, read: Hash) -> bytes:
    """The hash over the leaves start..end from stored nodes (level, index)."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(read(level, start >> level))
        start += 1 << level
    value = parts.pop()
    while parts:
        value = node_hash(parts.pop(), value)
    return value


def consistency(old: int, new: int, read: Hash) -> list[bytes]:
    """The proof that `old` leaves are the beginning of `new` (2.1.4.1)."""
    start, end, path, whole = 0, new, [], True
    while old != end:
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        if old <= middle:
            path.append(subtree(middle, end, read))
            end = middle
        else:
            path.append(subtree(start, middle, read))
            start, whole = middle, False
    if not whole:
        path.append(subtree(start, end, read))
    return path[::-1]


# --- Notes, checkpoints, proofs (C2SP signed-note, tlog-checkpoint, tlog-proof, tlog-cosignature) ------------------


def decode64(text: str, what: str) -> bytes:
    """Base64 with padding, in its one spelling: loose bits and line ends are refused."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Unreadable(f"{what} is no base64") from None
    if base64.b64encode(data).decode() != text:
        raise Unreadable(f"{what} is not in canonical base64")
    return data


def number(text: str, what: str) -> int:
    """A decimal number without leading zeros, up to 2^63 - 1."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text, re.ASCII) or int(text) >= 1 << 63:
        raise Unreadable(f"{what} is no number: {text[:40]!r}")
    return int(text)


def hash_of(text: str) -> bytes:
    """32 bytes in base64."""
    data = decode64(text, "a hash")
    if len(data) != 32:
        raise Unreadable("a hash has 32 bytes")
    return data


@dataclass(frozen=True)
class Key:
    """A public key as `name+id+key`: kind 1 signs checkpoints, kind 4 cosigns them with a time."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that tell which key signed."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @classmethod
    def parse(cls, text: str, kind: int) -> Key:
        """Read one, checking its id."""
        match = re.fullmatch(r"([^\s+\x00-\x20]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", text.strip())
        if not match:
            raise Unreadable(f"a key looks like example.org/log+1a2b3c4d+AbCd..., not {text[:40]!r}")
        data = decode64(match[3], "the key")
        if len(data) != 33 or data[0] != kind:
            raise Unreadable(f"the key of {match[1][:80]} is not of the kind that belongs here")
        key = cls(match[1], kind, data[1:])
        if key.id.hex() != match[2]:
            raise Unreadable("the key's id does not fit its name and key: a character is wrong")
        return key


@dataclass(frozen=True)
class Note:
    """A checkpoint with its signatures (name, id and signature), none of them verified yet."""

    text: str
    signatures: list[tuple[str, bytes]]
    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, note: str) -> Note:
        """Read one."""
        if len(note) > MAX_NOTE or any((c < " " and c != "\n") or "\ud800" <= c <= "\udfff" for c in note):
            raise Unreadable("a note is UTF-8 text without control characters, at most 65536 octets")
        text, blank, tail = note.rpartition("\n\n")
        if not blank or not tail.endswith("\n") or tail.count("\n") > 100:
            raise Unreadable("the note has no signatures, or too many")
        signatures = []
        for line in tail[:-1].split("\n"):
            match = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)", line)
            data = decode64(match[2], "a signature") if match else b""
            if not match or len(data) < 5:
                raise Unreadable(f"bad signature line {line[:80]!r}")
            signatures.append((match[1], data))
        lines = text.split("\n")
        if len(lines) < 3 or not all(lines):
            raise Unreadable("a checkpoint has at least three lines: origin, size, root")
        return cls(text + "\n", signatures, lines[0], number(lines[1], "the tree size"), hash_of(lines[2]))

    def signed(self, key: Key) -> bool:
        """Whether the log's key has signed; a line in its name that does not hold is refused."""
        found = [data[4:] for name, data in self.signatures if (name, data[:4]) == (key.name, key.id)]
        if not all(signed_by(key.public, self.text.encode(), signature) for signature in found):
            raise Unreadable(f"the signature of {key.name} does not hold: text or signature was changed")
        return bool(found)

    def cosigned(self, key: Key) -> int | None:
        """When the witness cosigned, by its clock; None when it did not."""
        times = []
        for name, data in self.signatures:
            if (name, data[:4]) == (key.name, key.id):
                moment = int.from_bytes(data[4:12], "big")
                message = f"cosignature/v1\ntime {moment}\n{self.text}".encode()
                if len(data) != 76 or moment >= 1 << 63 or not signed_by(key.public, message, data[12:]):
                    raise Unreadable(f"the cosignature of {key.name} does not hold")
                times.append(moment)
        return max(times, default=None)


@dataclass(frozen=True)
class Proof:
    """An entry's index, the audit path, and the checkpoint it leads to."""

    index: int
    hashes: list[bytes]
    note: Note

    @classmethod
    def parse(cls, text: str) -> Proof:
        """Read one."""
        head, blank, signed = text.partition("\n\n")
        header, *lines = head.split("\n")
        if len(text) > MAX_NOTE or not blank or header != "c2sp.org/tlog-proof@v1":
            raise Unreadable("a proof begins with c2sp.org/tlog-proof@v1 and ends with a checkpoint")
        if lines and lines[0].startswith("extra "):
            decode64(lines.pop(0)[6:], "the extra data")
        if not lines or not lines[0].startswith("index ") or len(lines) > 64:
            raise Unreadable("the proof does not say the entry's index, or has more than 63 hashes")
        index = number(lines[0][6:], "the index")
        return cls(index, [hash_of(line) for line in lines[1:]], Note.parse(signed))


# --- Receipts ----------------------------------------------------------------------------------------------------

HEX = r"[0-9a-f]{64}"
PLACE = {
    "chain": r"eip155:[1-9][0-9]{0,18}",
    "contract": r"0x[0-9a-fA-F]{40}",
    "sender": r"0x[0-9a-fA-F]{40}",
    "transaction": r"0x" + HEX,
}
OUTCOMES = {"inbox": 1, "junk": 2, "held": 3, "sent": 4, "divided": 5}
DIRECTIONS = {"received": 1, "submitted": 2}
MAX_PLACES = 16


@dataclass(frozen=True)
class Place:
    """Where on a chain a checkpoint stands; `proof` is None where it is the receipt's own."""

    chain: int
    contract: str
    sender: str
    block: int
    proof: str | None


@dataclass(frozen=True)
class Receipt:
    """A receipt of form 1 or 2."""

    origin: str
    sha256: str
    direction: str
    time: int
    salt: str
    outcome: str | None
    policy: str | None
    proof: str
    places: list[Place]

    @property
    def leaf(self) -> bytes | None:
        """The Merkle leaf hash that the facts lead to; None when outcome and policy are not both there, or neither."""
        if (self.outcome is None) != (self.policy is None):
            return None
        facts = (bytes.fromhex(self.salt), bytes.fromhex(self.sha256), DIRECTIONS[self.direction], self.time)
        leaf = struct.pack(">B32s32sBQ", 1 if self.outcome is None else 2, *facts)
        if self.outcome is not None and self.policy is not None:
            leaf += struct.pack(">B32s", OUTCOMES[self.outcome], bytes.fromhex(self.policy))
        return hashlib.sha256(b"\x00" + hashlib.sha256(leaf).digest()).digest()


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different: two readers must not read two receipts out of one."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("a field stands there twice")
    return found


def load_json(data: bytes) -> Any:
    """JSON, strictly, and not deep."""
    depth = deepest = 0
    for mark in re.sub(rb'"(?:[^"\\]|\\.)*+"', b"", data):
        depth += (mark in b"[{") - (mark in b"]}")
        deepest = max(depth, deepest)
    try:
        if deepest > 50:
            raise Unreadable("it is nested too deeply")
        text = data.decode("utf-8")
        found = json.loads(text, object_pairs_hook=no_duplicates)
        json.dumps(found, ensure_ascii=False).encode("utf-8")  # no halves of characters
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is no JSON ({error})") from None
    return found


def take(fields: dict[str, Any], name: str, pattern: str, *, may_lack: bool = False) -> Any:
    """A text field that fits the whole pattern; None where it may lack."""
    value = fields.pop(name, None) if may_lack else fields.pop(name)
    if value is None and may_lack:
        return None
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII | re.DOTALL):
        raise Unreadable(f"{name} is not what it should be")
    return value


def take_number(fields: dict[str, Any], name: str) -> int:
    """A whole number from 0 to 2^63 - 1."""
    value = fields.pop(name)
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise Unreadable(f"{name} is no number in range")
    return value


def parse_place(value: Any, *, with_proof: bool) -> Place:
    """One place of a receipt."""
    if not isinstance(value, dict):
        raise Unreadable("a place is an object")
    fields = dict(value)
    texts = {name: take(fields, name, pattern) for name, pattern in PLACE.items()}
    block = take_number(fields, "block")
    proof = take(fields, "proof", r".{0,65536}", may_lack=True) if with_proof else None
    if fields:
        raise Unreadable(f"a place has no {min(fields)[:40]!r}")
    return Place(int(texts["chain"][7:]), texts["contract"], texts["sender"], block, proof)


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt of either form; unknown, missing, repeated and malformed fields are refused."""
    if len(data) > MAX_RECEIPT:
        raise Unreadable("a receipt has at most 131072 octets")
    fields = load_json(data)
    if not isinstance(fields, dict):
        raise Unreadable("a receipt is a JSON object")
    try:
        second = take(fields, "version", r"waxseal\.receipt/[12]").endswith("2")
        texts = {name: take(fields, name, HEX) for name in ("sha256", "salt")}
        texts["origin"] = take(fields, "origin", r".{1,300}")
        texts["direction"] = take(fields, "direction", "|".join(DIRECTIONS))
        texts["proof"] = take(fields, "proof", r".{0,65536}")
        moment = take_number(fields, "time")
        if second and not {"outcome", "policy", "anchors"} <= set(fields):
            raise KeyError("outcome, policy or anchors")
        outcome = take(fields, "outcome", "|".join(OUTCOMES), may_lack=True) if second else None
        policy = take(fields, "policy", HEX, may_lack=True) if second else None
        anchors = fields.pop("anchors") if second else [fields.pop("anchor", None)]
        if not isinstance(anchors, list) or len(anchors) > MAX_PLACES:
            raise Unreadable("anchors is a list, and not a long one")
        places = [parse_place(one, with_proof=second) for one in anchors if second or one is not None]
    except KeyError as error:
        raise Unreadable(f"it lacks {error}") from None
    if fields:
        raise Unreadable(f"a receipt has no {min(fields)[:40]!r}")
    return Receipt(time=moment, outcome=outcome, policy=policy, places=places, **texts)


# --- What clients change when they export a message, and how it is undone (docs/proof.md) --------------------------

PRIVATE = set(
    b"status x-status x-keywords x-uid x-uidl x-imap x-imapbase content-length lines x-mozilla-status "
    b"x-mozilla-status2 x-mozilla-keys x-account-key x-tuid x-evolution x-folder x-gmail-labels x-gm-thrid".split()
)
DELIVERY = set(b"return-path delivered-to x-original-to envelope-to x-delivered-to".split())
MAX_WAYS, MAX_HASHED, MAX_FIELDS, MAX_QUOTES = 1000, 1 << 31, 7, 4
Way = tuple[tuple[str, ...], bytes]


def found_way(content: bytes, wanted: bytes) -> tuple[str, ...] | None:
    """The rules of the first way to undo an export that leads to the SHA-256 wanted: () when the bytes are exact."""
    if hashlib.sha256(content).digest() == wanted:
        return ()
    tried, hashed = 1, len(content)
    for rules, candidate in undone(content):
        if not rules:
            continue
        tried, hashed = tried + 1, hashed + len(candidate)
        if tried > MAX_WAYS or hashed > MAX_HASHED:
            break
        if hashlib.sha256(candidate).digest() == wanted:
            return rules
    return None


def undone(content: bytes) -> Iterator[Way]:
    """Every combination of the rules that changes something, likeliest first."""
    rules: tuple[str, ...] = ()
    sender, is_mailbox = b"", False
    if content.startswith(b"\xef\xbb\xbf"):
        rules, content = ("bom",), content[3:]
    if line := re.match(rb"From [^\r\n]*(?:\r*\n|\r|\Z)", content):
        rules, content, is_mailbox = (*rules, "from-line"), content[line.end() :], True
        sender = b"".join(line[0].split()[1:2])
    for ended in with_line_ends((rules, content)):
        for returned in with_return_path(ended, sender):
            for cleared in without_fields(returned):
                for unquoted in without_quotes(cleared):
                    yield from with_ends(unquoted, is_mailbox)


def with_line_ends(way: Way) -> Iterator[Way]:
    """LF becomes CRLF; lone CRs, too."""
    whole = re.sub(rb"\r*\n", b"\r\n", way[1])
    more = re.sub(rb"\r*\n|\r", b"\r\n", way[1])
    if whole != way[1]:
        yield (*way[0], "line-ends"), whole
    if more != whole:
        yield (*way[0], "line-ends"), more
    yield way


def header_of(content: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The header's fields as (name in lower case, lines), and the rest, which begins with an empty line."""
    blank = re.search(rb"(?:\A|(?<=\n))\r?\n", content)
    head, rest = (content[: blank.start()], content[blank.start() :]) if blank else (content, b"")
    fields: list[tuple[bytes, bytes]] = []
    for line in head.splitlines(keepends=True) if b"\n" in head else [head]:
        if line[:1] in {b" ", b"\t"} and fields:
            fields[-1] = fields[-1][0], fields[-1][1] + line
        else:
            match = re.match(rb"([!-9;-~]+)[ \t]*:", line)
            fields.append((match[1].lower() if match else b"", line))
    return fields, rest


def with_return_path(way: Way, sender: bytes) -> Iterator[Way]:
    """A Return-Path from the mailbox file's separator line, where there is none."""
    yield way
    if sender and not any(name == b"return-path" for name, _ in header_of(way[1])[0]):
        address = b"" if sender.upper() == b"MAILER-DAEMON" else sender
        yield (*way[0], "return-path"), b"Return-Path: <" + address + b">\r\n" + way[1]


def without_fields(way: Way) -> Iterator[Way]:
    """Without the fields that clients and delivery agents add."""
    fields, rest = header_of(way[1])
    private = {place for place, (name, _) in enumerate(fields) if name in PRIVATE}
    delivery = {place for place, (name, _) in enumerate(fields) if name in DELIVERY}
    listed = sorted(private | delivery)
    choices: list[set[int]] = [private, set(), private | delivery, delivery]
    for count in range(1, min(len(listed), 2 * MAX_FIELDS)):
        choices += [set(listed[:count]), set(listed[-count:])]
    if len(listed) <= MAX_FIELDS:
        choices += [set(some) for count in range(len(listed) - 1, 0, -1) for some in combinations(listed, count)]
    for gone in dict.fromkeys(map(frozenset, choices)):
        kept = b"".join(lines for place, (_, lines) in enumerate(fields) if place not in gone)
        yield ((*way[0], "added-fields"), kept + rest) if gone else way


def without_quotes(way: Way) -> Iterator[Way]:
    """Without one `>` of lines that begin with `>From `."""
    yield way
    quoted = [match.start() for match in re.finditer(rb"^>+From ", way[1], re.MULTILINE)]
    for count in range(len(quoted), 0, -1) if len(quoted) <= MAX_QUOTES else [len(quoted)]:
        for some in combinations(quoted, count):
            content, start = [], 0
            for place in some:
                content.append(way[1][start:place])
                start = place + 1
            yield (*way[0], "unquote"), b"".join(content) + way[1][start:]


def with_ends(way: Way, is_mailbox: bool) -> Iterator[Way]:
    """With other line ends at the very end."""
    bare, less = way[1].rstrip(b"\r\n"), re.sub(rb"\r?\n\Z", b"", way[1])
    eol = b"\r\n" if b"\r\n" in way[1] else b"\n"
    first = [less, way[1]] if is_mailbox else [way[1], less]
    for content in dict.fromkeys([*first, bare + eol, way[1] + eol, bare, bare + eol + eol]):
        yield ((*way[0], "end"), content) if content != way[1] else way


# --- Servers: HTTP with bounds, JSON-RPC, and two thirds of them ----------------------------------------------------


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would hand the question to somebody else."""

    def redirect_request(self, *_: Any) -> None:
        """Never."""


OPENER = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))


def check_url(url: str) -> str:
    """https://, or http:// on this very machine."""
    parts = urllib.parse.urlsplit(url)
    near = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or parts.scheme not in ({"https", "http"} if near else {"https"}):
        raise Unreadable("a server's address is https://host/path (http:// only on this machine)")
    return url


def fetch(url: str, body: bytes | None = None, limit: int = MAX_ANSWER) -> bytes:
    """One answer, bounded in size and time."""
    headers = {"Content-Type": "application/json"} if body else {}
    deadline = time.monotonic() + SECONDS
    request = urllib.request.Request(url, body, headers)  # noqa: S310  `check_url` has looked at it
    try:
        with OPENER.open(request, timeout=SECONDS) as response:
            data = bytearray()
            while piece := response.read1(1 << 16):
                data += piece
                if len(data) > limit or time.monotonic() > deadline:
                    raise Unknown("the answer is too long or too slow")
    except (OSError, HTTPException, ValueError) as error:
        raise Unknown(f"no answer ({str(error)[:100] or type(error).__name__})") from None
    return bytes(data)


def octets(value: Any) -> bytes:
    """Bytes as JSON-RPC writes them."""
    if not isinstance(value, str) or not re.fullmatch(r"0x(?:[0-9a-fA-F]{2})*", value):
        raise Unknown("the server gives no bytes where bytes belong")
    return bytes.fromhex(value[2:])


def quantity(value: Any) -> int:
    """A number as JSON-RPC writes it."""
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,64}", value):
        raise Unknown("the server gives no number where a number belongs")
    return int(value, 16)


def block_number(value: Any) -> int:
    """The number of a block."""
    return quantity(value.get("number") if isinstance(value, dict) else None)


LOST = ("missing trie node", "header not found", "block not found", "unknown block", "blockoutofrange", "pruned")


def ask(url: str, read: Callable[[Any], Any], method: str, params: list[Any]) -> Any:
    """One JSON-RPC question; the text "reverted ..." when the contract refused."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    try:
        answer = load_json(fetch(url, body))
    except Unreadable as error:
        raise Unknown(f"the server answers nonsense: {error}") from None
    if not isinstance(answer, dict) or answer.get("id") != 1:
        raise Unknown("the server answers something else than JSON-RPC")
    if refusal := answer.get("error"):
        fields = refusal if isinstance(refusal, dict) else {"message": refusal}
        message = str(fields.get("message", ""))[:200]
        if fields.get("code") == 3 or "revert" in message.lower():
            return f"reverted {fields.get('data', '')}"
        if any(words in message.lower() for words in LOST):
            raise NoState(message)
        raise Unknown(f"the server refuses {method}: {message}")
    return read(answer.get("result"))


@dataclass
class Chain:
    """The servers of one chain. What two thirds of them say (rounded up) is what the chain says."""

    members: list[tuple[str, str | None]]  # name for people, URL; None: it did not say which chain it serves
    outvoted: set[str] = field(default_factory=set)
    silent: dict[str, str] = field(default_factory=dict)

    @property
    def needed(self) -> int:
        """How many must agree."""
        return -(-2 * len(self.members) // 3)

    @property
    def remarks(self) -> str:
        """Who was outvoted, and who gave no answer."""
        lied = [f" {name} answered otherwise than the others and was outvoted." for name in sorted(self.outvoted)]
        return "".join(lied + [f" {name} gave no answer ({why})." for name, why in sorted(self.silent.items())])

    def ballot(self, read: Callable[[Any], Any], method: str, params: list[Any]) -> tuple[list[tuple[str, Any]], bool]:
        """Each answer with who gave it, and whether somebody lacks the block's state."""
        answers: list[tuple[str, Any]] = []
        stateless = False
        with ThreadPoolExecutor(len(self.members)) as pool:
            asked = [(name, pool.submit(ask, url, read, method, params)) for name, url in self.members if url]
        self.silent.update((name, "it cannot be reached") for name, url in self.members if not url)
        for name, result in asked:
            try:
                answers.append((name, result.result()))
            except NoState:
                stateless = True
            except Unknown as error:
                self.silent[name] = str(error)
        return answers, stateless

    def agreed(self, read: Callable[[Any], Any], method: str, *params: Any) -> Any:
        """The answer that enough servers give."""
        answers, stateless = self.ballot(read, method, list(params))
        best = max((value for _, value in answers), key=lambda one: sum(v == one for _, v in answers), default=None)
        if answers and sum(value == best for _, value in answers) >= self.needed:
            self.outvoted.update(name for name, value in answers if value != best)
            return best
        self.undecided(answers, stateless)

    def undecided(self, answers: list[tuple[str, Any]], stateless: bool) -> NoReturn:
        """Say why there is no answer."""
        if any(value != answers[0][1] for _, value in answers):
            raise Unknown("the servers contradict each other: " + ", ".join(name for name, _ in answers))
        if stateless:
            raise NoState("too many servers no longer have that block's state")
        raise Unknown(f"{self.needed} of {len(self.members)} servers must agree, and too few answer.{self.remarks}")

    def reached(self, tag: str) -> int:
        """The newest block that enough servers call "latest" or "finalized"."""
        answers, stateless = self.ballot(block_number, "eth_getBlockByNumber", [tag, False])
        numbers = sorted((value for _, value in answers if isinstance(value, int)), reverse=True)
        if len(numbers) < self.needed:
            self.undecided([], stateless)
        return numbers[self.needed - 1]

    def call(self, to: str, data: bytes, block: str) -> bytes:
        """A view's answer."""
        answer = self.agreed(octets, "eth_call", {"to": to, "data": "0x" + data.hex()}, block)
        if isinstance(answer, str):
            raise Unknown(f"the contract at {to} refuses the question")
        return bytes(answer)


def connect(urls: list[str], chain: int) -> Chain | None:
    """The servers that speak for a chain, or did not say; None when there is none."""
    members: list[tuple[str, str | None]] = []
    for place, url in enumerate(dict.fromkeys(urls), 1):
        name = f"{urllib.parse.urlsplit(url).hostname} (server {place})"
        try:
            if ask(url, quantity, "eth_chainId", []) == chain:
                members.append((name, url))
        except Unknown:
            members.append((name, None))
    return Chain(members) if any(url for _, url in members) else None


# --- Contracts: their code by its hash, their functions by their selectors ------------------------------------------

HEADS_CODE = "d5514fd5c39eb5571986b6ac06ba1ddc6351be39862652668e547a1a5003d69f"  # SHA-256 of the code at the address
HEAD = "bda4fec5"  # head(address)
ANCHORED = "0cd48d2f0de2b26babeaa563bc19f67e7b14bb998edeaabe4592e8b4472dda6b"  # Anchored(address,uint64,bytes32)
REGISTRY = "0x96bdC0593a00F04f5E48B61105Dc42e1c8C8bC65"  # on every chain with the deterministic deployment proxy
REGISTRY_CODE = "4602c3351e1a4895ddc6ccc8fcbf1ad72ebd510967ffd3acbaef2ca442ae2f49"
FIRST, HISTORY = "a8160e79", "a7d15497"  # first(bytes32), history(address,bytes32,bytes32,uint256)
PAGE = 100


def word(value: str | int) -> bytes:
    """An address or number as 32 bytes."""
    return value.to_bytes(32, "big") if isinstance(value, int) else bytes.fromhex(value[2:]).rjust(32, b"\0")


def has_code(chain: Chain, contract: str, code: str) -> bool:
    """Whether exactly this contract stands there: another one could answer anything."""
    return hashlib.sha256(chain.agreed(octets, "eth_getCode", contract, "latest")).hexdigest() == code


def keccak(data: bytes) -> bytes:
    """Keccak-256, with the padding from before SHA-3 was a standard."""
    rate, state = 136, [0] * 25
    data += b"\x01" + bytes(-(len(data) + 1) % rate)
    data = data[:-1] + bytes([data[-1] | 0x80])
    for start in range(0, len(data), rate):
        for at in range(rate // 8):
            state[at] ^= int.from_bytes(data[start + 8 * at : start + 8 * at + 8], "little")
        permute(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


def permute(state: list[int]) -> None:
    """Keccak-f[1600] on 25 lanes (FIPS 202 3.3)."""
    mask, lfsr = (1 << 64) - 1, 1
    for _ in range(24):
        parity = [state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20] for x in range(5)]
        for place in range(25):
            turned = parity[(place + 1) % 5]
            state[place] ^= parity[(place - 1) % 5] ^ ((turned << 1 | turned >> 63) & mask)
        x, y, carried = 1, 0, state[1]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            turn = (step + 1) * (step + 2) // 2 % 64
            state[x + 5 * y], carried = (carried << turn | carried >> (64 - turn)) & mask, state[x + 5 * y]
        rows = [state[place : place + 5] for place in range(0, 25, 5)]
        state[:] = [row[x] ^ (~row[(x + 1) % 5] & mask & row[(x + 2) % 5]) for row in rows for x in range(5)]
        for bit in range(7):
            state[0] ^= (1 << ((1 << bit) - 1)) if lfsr & 1 else 0
            lfsr = (lfsr << 1) ^ (0x171 if lfsr & 0x80 else 0)


@dataclass(frozen=True)
class Period:
    """A registered key, and from which block (and second) to which it was in force; until 0: it still is."""

    key: bytes
    since: int
    until: int
    until_time: int
    revoked: bool


def periods_of(chain: Chain, contract: str, origin: str, account: str) -> tuple[str, list[Period]]:
    """The account that speaks for the log (the first that registered it, unless named), and its keys, newest first."""
    if not has_code(chain, contract, REGISTRY_CODE):
        raise Unreadable(f"there is no Registry contract at {contract}")
    name = keccak(origin.encode())
    who = account or "0x" + chain.call(contract, bytes.fromhex(FIRST) + name, "latest")[12:32].hex()
    question = bytes.fromhex(HISTORY) + word(who) + name + bytes(32) + word(PAGE)
    answer = chain.call(contract, question, "latest")
    words = [answer[at : at + 32] for at in range(0, len(answer), 32)]
    if len(words) < 2 or int.from_bytes(words[1], "big") * 6 + 2 != len(words) or len(words[-1]) != 32:
        raise Unknown("the registry's answer makes no sense")
    rows = [words[at : at + 6] for at in range(2, len(words), 6)]
    if len(rows) == PAGE:
        raise Unknown("the registry has more keys than this program reads")
    numbers = [(row[0], [int.from_bytes(one, "big") for one in row[1:]]) for row in rows]
    return who, [Period(key, since, until, time, bool(gone)) for key, (since, until, _, time, gone) in numbers]


# --- The steps ------------------------------------------------------------------------------------------------------


def utc(seconds: int) -> str:
    """A time for people."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"


@dataclass
class Trust:
    """What the person who verifies brings along, from other sources than the receipt."""

    keys: list[Key] = field(default_factory=list)
    revoked: list[Key] = field(default_factory=list)
    keepers: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    registry: str = ""  # chain, or chain:contract
    account: str = ""
    later: str = ""
    log: str = ""
    witnesses: list[Key] = field(default_factory=list)
    needed: int = 0


@dataclass
class Verifier:
    """One receipt under test. `standing` gathers the blocks (chain, number, time) whose contract holds the root."""

    message: bytes
    receipt: Receipt
    trust: Trust
    proofs: list[Proof] = field(default_factory=list)
    standing: list[tuple[int, int, int]] = field(default_factory=list)
    chains: dict[int, Chain | None] = field(default_factory=dict)

    def steps(self) -> list[Step]:
        """All eight, in order; whatever the receipt and the servers say, this raises nothing."""
        first = [self.message_step(), self.leaf_step()]
        try:
            texts = [self.receipt.proof, *(place.proof for place in self.receipt.places if place.proof is not None)]
            self.proofs = [Proof.parse(text) for text in texts]
        except Unreadable as error:
            words = f"The receipt's proof cannot be read: {error}."
            return [*first, *(self.unread(number, words) for number in range(3, 9))]
        chain = self.chain_step()
        registry = self.registry_step()
        rest = [self.inclusion_step(), self.checkpoint_step(), registry, chain, self.later_step(), self.witness_step()]
        return [*first, *rest]

    def unread(self, number: int, words: str) -> Step:
        """A step that cannot be taken, since the proof cannot be read."""
        asked = {5: self.trust.registry, 7: self.trust.later or self.trust.log, 8: self.trust.witnesses}
        return Step(number, False, words) if asked.get(number, True) else self.not_asked(number)

    def not_asked(self, number: int) -> Step:
        """A step nobody asked for."""
        return Step(number, None, "Not asked for.", asked=False)

    def message_step(self) -> Step:
        """1."""
        wanted = bytes.fromhex(self.receipt.sha256)
        rules = found_way(self.message, wanted)
        if rules is None:
            digest = hashlib.sha256(self.message).hexdigest()
            words = f"its SHA-256 is {digest[:16]}..., and no way to undo an export leads to {wanted.hex()[:16]}..."
            return Step(1, False, f"The message is not the one the receipt is about: {words}")
        if rules:
            return Step(1, True, f"The message is the one, once its export is undone: {', '.join(rules)}.")
        return Step(1, True, f"The message is the one the receipt is about (SHA-256 {wanted.hex()[:16]}...).")

    def leaf_step(self) -> Step:
        """2."""
        if self.receipt.leaf is None:
            return Step(2, False, "A leaf names an outcome and a policy, or neither.")
        verdict = f", {self.receipt.outcome} under the policy {self.receipt.policy}" if self.receipt.outcome else ""
        return Step(2, True, f"The leaf says: {self.receipt.direction} {utc(self.receipt.time)}{verdict}.")

    def inclusion_step(self) -> Step:
        """3."""
        leaf = self.receipt.leaf
        for proof in self.proofs:
            note = proof.note
            if leaf is None or not includes(leaf, proof.index, note.size, proof.hashes, note.root):
                return Step(3, False, f"No entry {proof.index} like this leads to the root of {note.size} entries.")
        return Step(3, True, f"It is entry {self.proofs[0].index} in the log of {self.proofs[0].note.size} entries.")

    def checkpoint_step(self) -> Step:
        """4. With --registry and no --log-key, the registered keys are those that are tried."""
        notes = [proof.note for proof in self.proofs]
        if any(note.origin != self.receipt.origin for note in notes):
            return Step(4, False, f"The checkpoint is not one of {self.receipt.origin}, which the receipt names.")
        revoked = {key.public for key in self.trust.revoked}
        good = [key for key in self.trust.keys if key.public not in revoked and key.name == self.receipt.origin]
        try:
            if all(any([note.signed(key) for key in good]) for note in notes):
                return Step(4, True, f"{self.receipt.origin} signed that log.")
            if any(note.signed(key) for note in notes for key in self.trust.revoked):
                return Step(4, False, "The key that signed the checkpoint was revoked: what it signs counts no more.")
        except Unreadable as error:
            return Step(4, False, f"The log's key did not sign this checkpoint: {error}.")
        if not self.trust.keys:
            return Step(4, None, "Not checked: the log's key was not given.")
        return Step(4, False, "None of the keys given signed this checkpoint.")

    def registry_step(self) -> Step:
        """5. Done before step 4, to which it lends its keys where none was given."""
        if not self.trust.registry:
            return self.not_asked(5)
        caip, _, contract = self.trust.registry.partition(":0x")
        number = int(caip.removeprefix("eip155:"))
        chain = self.connection(number)
        if chain is None:
            return Step(5, None, f"Not checked: no server of {caip} was given.")
        try:
            place = "0x" + contract if contract else REGISTRY
            account, periods = periods_of(chain, place, self.receipt.origin, self.speaker(number))
        except Unknown as error:
            return Step(5, None, f"Not checked: {error}.")
        except Unreadable as error:
            return Step(5, False, f"{error}.")
        if not periods:
            return Step(5, False, f"Nobody has registered a key for {self.receipt.origin}, or not that account.")
        if not self.speaker(number) and not self.trust.keys:  # whoever claims a name first must not vouch for himself
            words = f"{account} was the first to register {self.receipt.origin}, and may be anybody"
            return Step(5, None, f"Not checked: {words}: name the account, the keeper's, or the log's key.")
        registered = {period.key: Key(self.receipt.origin, 1, period.key) for period in periods}
        if not self.trust.keys:
            self.trust.keys = list(registered.values())
        try:
            signers = [[one for one in periods if proof.note.signed(registered[one.key])] for proof in self.proofs]
        except Unreadable as error:
            return Step(5, False, f"The registered key did not sign this checkpoint: {error}.")
        if not all(signers):
            return Step(5, False, f"The key that signed the checkpoint is none that {account} has registered.")
        return self.in_force(number, account, signers[0][0])

    def speaker(self, chain: int) -> str:
        """Whose registration counts: the account asked for, else the keeper's on that chain, else "": the first."""
        if self.trust.account or len(self.trust.keepers) == 1:
            return self.trust.account or self.trust.keepers[0]
        senders = [place.sender for place in self.receipt.places if place.chain == chain]
        return next((sender for sender in senders if sender.lower() in self.trust.keepers), "")

    def in_force(self, chain: int, account: str, period: Period) -> Step:
        """Whether the key was in force when the checkpoint was anchored, or still is."""
        who = f"registered by {account} since block {period.since}"
        if not period.until:
            return Step(5, True, f"The key is {who}, and in force.")
        for where, block, moment in self.standing:
            if block < period.until if where == chain else moment and moment < period.until_time:
                return Step(5, True, f"The key, {who}, ended in block {period.until}; the anchor is older.")
        if period.revoked:
            return Step(5, False, f"The key was revoked in block {period.until}, and no anchor is older.")
        return Step(5, None, f"Not checked: the key was replaced in block {period.until}, and no anchor is older.")

    def connection(self, number: int) -> Chain | None:
        """The servers of a chain, found once."""
        if number not in self.chains:
            self.chains[number] = connect(self.trust.urls, number)
        return self.chains[number]

    def chain_step(self) -> Step:
        """6. One place that does not hold is enough to fail it; otherwise one that holds is enough."""
        if not self.receipt.places:
            return Step(6, None, "Not checked: the log was not anchored yet when the receipt was made.")
        own = iter(self.proofs[1:])
        found = []
        for place in self.receipt.places:
            note = self.proofs[0].note if place.proof is None else next(own).note
            found.append(self.at_place(place, note))
        holds = False if any(one is False for one, _ in found) else True if any(one for one, _ in found) else None
        return Step(6, holds, " ".join(words for _, words in found))

    def at_place(self, place: Place, note: Note) -> tuple[bool | None, str]:
        """What one chain says of one place."""
        where = f"eip155:{place.chain}, contract {place.contract}"
        if self.trust.keepers and place.sender.lower() not in self.trust.keepers:
            return False, f"Anchored by {place.sender}, which is not an account of the keeper's."
        chain = self.connection(place.chain)
        if chain is None:
            return None, f"Not checked: no server of eip155:{place.chain} was given, or none answers."
        try:
            if not has_code(chain, place.contract, HEADS_CODE):
                return False, f"There is no TreeHeads contract at {place.contract} on eip155:{place.chain}."
            holds, words = self.compare(place, note, chain)
        except Unknown as error:
            return None, f"Not checked: eip155:{place.chain}: {error}."
        word = "" if self.trust.keepers else " That its sender is the keeper's account is the receipt's word alone."
        return holds, f"{words} ({where}).{chain.remarks}{word}"

    def compare(self, place: Place, note: Note, chain: Chain) -> tuple[bool | None, str]:
        """The contract's root, and whether its block is final."""
        try:
            root, moment = stored(place, note.size, chain)
        except NoState as error:
            if chain.reached("latest") < place.block:
                return False, f"There is no block {place.block}"
            return None, f"Not checked: the servers no longer keep block {place.block}: {error}"
        if root is None:
            return False, f"The contract stored no head of {note.size} entries in block {place.block}"
        if root != note.root:
            return False, f"The contract stored another root for {note.size} entries"
        final = chain.reached("finalized")
        if place.block > final:
            return None, f"The contract holds the same root, but block {place.block} is not final (only {final} is)"
        self.standing.append((place.chain, place.block, moment))
        since = f", {utc(moment)}" if moment else ""
        return True, f"The contract holds the same root since block {place.block}{since}, which is final"

    def later_step(self) -> Step:
        """7."""
        if not (self.trust.later or self.trust.log):
            return self.not_asked(7)
        try:
            given, proof = self.later_checkpoint()
            if not self.trust.keys:
                return Step(7, None, "Not checked: without the log's key anybody may have written that checkpoint.")
            if given.origin != self.receipt.origin or not any(given.signed(key) for key in self.trust.keys):
                return Step(7, False, "The later checkpoint is not one that the log's key signed.")
            return self.continued(given, proof)
        except Unknown as error:
            return Step(7, None, f"Not checked: {error}.")
        except Unreadable as error:
            return Step(7, False, f"The later checkpoint cannot be used: {error}.")

    def later_checkpoint(self) -> tuple[Note, tuple[int, list[bytes]] | None]:
        """The checkpoint given, or the log's newest; with the proof in the file (C2SP tlog-witness form), if any."""
        text = self.trust.later
        if not text:
            text = fetch(f"{self.trust.log}/checkpoint", limit=MAX_NOTE).decode("utf-8", "replace")
        if not text.startswith("old "):
            return Note.parse(text), None
        head, _, signed = text.partition("\n\n")
        first, *lines = head.split("\n")
        if len(lines) > 63:
            raise Unreadable("a consistency proof has at most 63 hashes")
        return Note.parse(signed), (number(first[4:], "the old size"), [hash_of(line) for line in lines])

    def continued(self, given: Note, proof: tuple[int, list[bytes]] | None) -> Step:
        """Whether the larger of the two trees continues the smaller one."""
        own = self.proofs[0].note
        old, new = (own, given) if own.size <= given.size else (given, own)
        if old.size in {new.size, 0}:
            hashes: list[bytes] = []
        elif proof is not None and proof[0] == old.size and new is given:
            hashes = proof[1]
        elif self.trust.log:
            hashes = tile_proof(self.trust.log, old.size, new.size)
        else:
            return Step(7, None, "Not checked: the file has no proof for these sizes, and no --log was given.")
        if continues(old.size, new.size, old.root, new.root, hashes):
            return Step(7, True, f"The log of {new.size} entries continues the log of {old.size}.")
        words = f"The log signed {old.size} and {new.size} entries, and one does not continue the other: it forked"
        return Step(7, False, f"{words}, or the proof is wrong. Keep both checkpoints.")

    def witness_step(self) -> Step:
        """8."""
        if not self.trust.witnesses:
            return self.not_asked(8)
        note, needed = self.proofs[0].note, self.trust.needed or len(self.trust.witnesses)
        try:
            found = [(key.name, note.cosigned(key)) for key in self.trust.witnesses]
        except Unreadable as error:
            return Step(8, False, f"{error}.")
        names = [f"{name} ({utc(when)})" for name, when in found if when is not None]
        words = f"{len(names)} of {needed} witnesses needed have cosigned: {', '.join(names) or 'none'}."
        return Step(8, len(names) >= needed, words)


def stored(place: Place, size: int, chain: Chain) -> tuple[bytes | None, int]:
    """The root that the contract stored, and when: from its state, else from its event."""
    block = hex(place.block)
    try:
        answer = chain.call(place.contract, bytes.fromhex(HEAD) + word(place.sender), block)
        if len(answer) == 128 and (answer[:32], answer[64:96]) == (word(size), word(place.block)):
            return answer[32:64], int.from_bytes(answer[96:], "big")
    except NoState:
        pass
    wanted = ["0x" + ANCHORED, "0x" + word(place.sender).hex(), "0x" + word(size).hex()]

    def root_in(value: Any) -> str:
        if not isinstance(value, list):
            raise Unknown("the server gives no events where events belong")
        found = [
            octets(one["data"]).hex()
            for one in value
            if isinstance(one, dict)
            and str(one.get("address", "")).lower() == place.contract.lower()
            and one.get("topics") == wanted
            and one.get("blockNumber") == block
        ]
        return found[0] if found else ""

    root = chain.agreed(root_in, "eth_getLogs", {"address": place.contract, "fromBlock": block, "toBlock": block})
    return (bytes.fromhex(root) or None), 0


def tile_proof(log: str, old: int, new: int) -> list[bytes]:
    """The consistency proof from the log's tiles (C2SP tlog-tiles)."""
    tiles: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        first, count = index << level % 8, 1 << level % 8
        at = level // 8, first >> 8
        if at not in tiles:
            tiles[at] = tile(log, *at, new)
        start = 32 * (first & 255)
        hashes = [tiles[at][place : place + 32] for place in range(start, start + 32 * count, 32)]
        while len(hashes) > 1:
            hashes = [node_hash(*hashes[place : place + 2]) for place in range(0, len(hashes), 2)]
        return hashes[0]

    return consistency(old, new, read)


def tile(log: str, level: int, index: int, size: int) -> bytes:
    """One tile, as it is in the tree of that size; a partial tile that is gone is cut out of the whole one."""
    width = min(256, (size >> 8 * level) - 256 * index)
    digits = f"{index:0{-(-len(str(index)) // 3) * 3}d}"
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = f"{log}/tile/{level}/" + "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    try:
        data = fetch(path + (f".p/{width}" if width < 256 else ""), limit=8192)
    except Unknown:
        if width == 256:
            raise
        data = fetch(path, limit=8192)[: 32 * width]
    if len(data) != 32 * width:
        raise Unknown("the log serves a damaged tile")
    return data


# --- The command line -----------------------------------------------------------------------------------------------


def result_of(steps: list[Step]) -> int:
    """The exit code: 0, 1 or 3."""
    if any(step.holds is False for step in steps):
        return 1
    return 3 if any(step.holds is None and step.asked for step in steps) else 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """What the command line says; argparse leaves with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("message", help="the message's file")
    parser.add_argument("receipt", help="its receipt (JSON)")
    many: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument("--log-key", **many, help="the log's public key, from its operator (repeat for older keys)")
    parser.add_argument("--revoked", **many, help="a key of the log that must not be believed (repeat)")
    parser.add_argument("--keeper", **many, help="an account that anchors, from the log's operator (repeat)")
    parser.add_argument("--rpc", **many, help="a JSON-RPC server of a chain (repeat: two thirds must agree)")
    parser.add_argument(
        "--registry", default="", help="the registry's chain: eip155:1, or eip155:1:0x... for its address"
    )
    parser.add_argument(
        "--account", default="", help="whose registration counts (default: the keeper's, else the first)"
    )
    parser.add_argument("--later", default="", help="a file with a later checkpoint, and perhaps its proof")
    parser.add_argument(
        "--log", default="", help="the log's address, https://host/log, for a later checkpoint and proof"
    )
    parser.add_argument("--witness", **many, help="a witness's public key (repeat)")
    parser.add_argument("--witnesses", type=int, default=0, help="how many of them must have cosigned (default: all)")
    parser.add_argument("--json", action="store_true", help="the steps as JSON")
    return parser.parse_args(arguments)


def read_file(path: str, limit: int) -> bytes:
    """A file, if it is not too long."""
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from None
    if len(data) > limit:
        raise Unreadable(f"{path} has more than {limit} octets")
    return data


def trust_of(options: argparse.Namespace) -> Trust:
    """The options, read."""
    for account in filter(None, [*options.keeper, options.account]):
        if not re.fullmatch(r"0x[0-9a-fA-F]{40}", account):
            raise Unreadable("--keeper and --account take an account: 0x and 40 hexadecimal digits")
    if not re.fullmatch(r"(?:eip155:[1-9][0-9]{0,18}(?::0x[0-9a-fA-F]{40})?)?", options.registry):
        raise Unreadable("--registry is eip155:1 or eip155:1:0x...")
    if len(options.rpc) > 16 or not 0 <= options.witnesses <= len(options.witness):
        raise Unreadable("too many servers, or more witnesses needed than given")
    return Trust(
        [Key.parse(text, 1) for text in options.log_key],
        [Key.parse(text, 1) for text in options.revoked],
        [account.lower() for account in options.keeper],
        [check_url(url) for url in options.rpc],
        options.registry,
        options.account,
        read_file(options.later, MAX_NOTE * 2).decode("utf-8", "replace") if options.later else "",
        check_url(options.log).rstrip("/") if options.log else "",
        [Key.parse(text, 4) for text in options.witness],
        options.witnesses,
    )


def main(arguments: list[str] | None = None) -> int:
    """Verify, print, and return the exit code."""
    options = parse_arguments(arguments)
    try:
        trust = trust_of(options)
        message, data = read_file(options.message, MAX_MESSAGE), read_file(options.receipt, MAX_RECEIPT)
        steps = Verifier(message, parse_receipt(data), trust).steps()
    except Unreadable as error:
        print(f"waxseal_verify: {error}", file=sys.stderr)
        return 2
    code = result_of(steps)
    if options.json:
        facts = [
            {
                "number": one.number,
                "name": NAMES[one.number - 1],
                "holds": one.holds,
                "asked": one.asked,
                "words": one.words,
            }
            for one in steps
        ]
        print(json.dumps({"version": "waxseal.verification/1", "exit": code, "steps": facts}, ensure_ascii=False))
    else:
        for one in steps:
            print(f"{one.number}. {NAMES[one.number - 1]}: {MARKS[one.holds]}. {one.words}")
    return code


if __name__ == "__main__":
    sys.exit(main())
