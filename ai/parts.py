"""Finds the texts of a raw message in one quick, bounded walk.

Not a general MIME parser: it wants a handful of fields and the first readable text, from any bytes, in time that does
not depend on how badly they are nested. Whatever comes in, it answers; it never raises.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from ai.archives import Clue, ending, inspect

MAX_SCAN = 4 << 20  # bytes of a message that are looked at in all
MAX_HEADER = 1 << 15  # bytes of one header block
MAX_PARTS = 60
MAX_DEPTH = 12
MAX_TEXT = 1 << 16  # encoded bytes of text that are decoded in all
MAX_FILES = 20  # attachments that are told
MAX_FILE_BYTES = 3 << 20  # encoded bytes of attachments that are decoded in all
_FILE_HEAD = 48 << 10  # encoded bytes of an attachment that tell what it is (an ISO image at 32 KiB)

_FIELD = re.compile(
    rb"^(from|reply-to|subject|content-type|content-disposition|content-transfer-encoding)[ \t]{0,8}:"
    rb"([^\n]*(?:\n[ \t][^\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_PARAMETER = re.compile(
    r";\s{0,16}([a-z-]{1,20})(?:\*\d{0,2}\*?)?\s{0,4}=\s{0,4}(\"[^\"]{0,400}\"|[^\s;]{1,400})", re.IGNORECASE
)
_FILE_NAME = re.compile(
    r";\s{0,16}(?:file)?name(?:\*(\d{1,2}))?(\*)?\s{0,4}=\s{0,4}(\"[^\"]{0,400}\"|[^\s;]{1,400})", re.IGNORECASE
)
_WORD = re.compile(r"=\?([a-zA-Z0-9_.-]{1,40})(?:\*[a-zA-Z-]{0,20})?\?([bBqQ])\?([^?]{0,2000})\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s{1,100}(=\?)")
# Decoders outside this list are not text for mail, and some (punycode, idna) take quadratic time.
_CHARSET = re.compile(
    r"utf-?(8|7|16|32)([lb]e)?|(us-)?ascii|(iso[-_]?)?8859[-_]\d+|latin-?\d|(windows|cp|ibm)-?\d{3,4}|koi8-[rut]|"
    r"gbk?|gb2312|gb18030|hz(-gb-2312)?|big5(-?hkscs)?|euc-?(jp|kr)|shift[-_]?jis|iso-2022-(jp|kr)(-\d)?|ks_c_5601-1987|tis-?620|mac-?(roman|cyrillic)"
)
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


@dataclass(frozen=True, slots=True)
class Text:
    """One readable part: its media subtype (``plain`` or ``html``) and its decoded characters."""

    subtype: str
    characters: str


@dataclass(frozen=True, slots=True)
class File:
    """An attachment: its name as given (overrides of writing direction included), and what was found in it."""

    name: str
    clues: tuple[Clue, ...] = ()

    @property
    def ending(self) -> str:
        return ending(self.name)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the walk found: decoded fields of the message, texts in order, names of attachments, count of images, and
    attachments with what is in them, those without a name included."""

    fields: dict[str, str]
    texts: tuple[Text, ...]
    attachments: tuple[str, ...]
    images: int
    files: tuple[File, ...] = ()


def walk(raw: bytes) -> Parts:
    """Walk a message (RFC 5322, RFC 2045-2049) within fixed bounds of bytes, parts and depth; never raises."""
    data = raw[:MAX_SCAN]
    if data.startswith(b"From "):  # an mbox line, not a field
        data = data[data.find(b"\n") + 1 :] if b"\n" in data else data
    top: dict[str, str] | None = None
    texts: list[Text] = []
    attachments: list[str] = []
    files: list[File] = []
    images = 0
    room, file_room = MAX_TEXT, MAX_FILE_BYTES
    for fields, start, end in _each_part(data):
        top = fields if top is None else top
        if start < 0:
            continue
        kind = fields.get("content-type", "text/plain").partition(";")[0].strip().lower() or "text/plain"
        name = _file_name(fields)
        if kind.startswith("image/"):
            images += 1
        if (name or kind.startswith("application/")) and len(files) < MAX_FILES:
            encoded = data[start : min(end, start + file_room)]
            file, used = _file(fields, encoded)
            file_room -= used
            files.append(file)
        if name:
            attachments.append(name[-80:])
        elif kind in ("text/plain", "text/html") and room > 0:
            encoded = data[start : min(end, start + room)]
            room -= len(encoded)
            texts.append(Text(kind[5:], _decode(encoded, fields)))
    return Parts(top or {}, tuple(texts), tuple(attachments[:MAX_FILES]), images, tuple(files))


def _file(fields: dict[str, str], encoded: bytes) -> tuple[File, int]:
    """An attachment, and how many of its encoded bytes were decoded. Clients disagree about which of several names
    counts (RFC 2231 §3 and §4 beside plain ones), so each is looked at."""
    names = _file_names(fields) or [""]
    head = _octets(encoded[:_FILE_HEAD], fields)
    is_deep = head.startswith((b"PK", b"\xd0\xcf\x11\xe0")) or b"%PDF" in head[:1024]
    data = _octets(encoded, fields) if is_deep and len(encoded) > _FILE_HEAD else head
    return File(names[0][:255], inspect(names, data)), len(encoded) if is_deep else min(len(encoded), _FILE_HEAD)


def _file_names(fields: dict[str, str]) -> list[str]:
    """Every name that a part gives its content, most often one."""
    found: dict[str, None] = {}
    for value in (fields.get("content-disposition", ""), fields.get("content-type", "")):
        pieces: dict[int, str] = {}
        for number, is_encoded, text in _FILE_NAME.findall(value[:4000]):
            name = text.strip('"')
            if is_encoded:  # charset'language'octets, percent-encoded
                name = unquote(name.split("'", 2)[-1], errors="replace")
            if number:
                pieces.setdefault(int(number), name)
            else:
                found[name] = None
        if pieces:
            found["".join(pieces[at] for at in sorted(pieces))] = None
    return list(found)[:4]


def _each_part(data: bytes) -> Iterator[tuple[dict[str, str], int, int]]:
    """Yield (fields, body start, body end) of each part, the message itself first; start is -1 when it has parts."""
    stack = [(0, len(data), 0)]
    seen = 0
    while stack and seen < MAX_PARTS:
        start, end, depth = stack.pop()
        seen += 1
        body = _body_start(data, start, end)
        fields = _fields(data[start : min(body, start + MAX_HEADER)])
        kind = fields.get("content-type", "").partition(";")[0].strip().lower()
        boundary = _parameter(fields.get("content-type", ""), "boundary")
        if depth < MAX_DEPTH and kind.startswith("multipart/") and boundary:
            yield fields, -1, -1
            stack += [(a, b, depth + 1) for a, b in reversed(_between(data, body, end, boundary))]
        elif depth < MAX_DEPTH and kind == "message/rfc822":
            yield fields, -1, -1
            stack.append((body, end, depth + 1))
        else:
            yield fields, body, end


def _body_start(data: bytes, start: int, end: int) -> int:
    if data.startswith((b"\n", b"\r\n"), start):
        return data.find(b"\n", start) + 1
    limit = min(end, start + MAX_HEADER)
    ends = [at + len(blank) for blank in (b"\n\n", b"\n\r\n") if (at := data.find(blank, start, limit)) >= 0]
    return min(ends, default=end if limit == end else limit)


def _between(data: bytes, start: int, end: int, boundary: str) -> list[tuple[int, int]]:
    """Spans between the delimiter lines (RFC 2046 §5.1.1); a missing last delimiter ends with the parent."""
    mark = b"--" + boundary.encode("utf-8", "replace")[:200]
    spans: list[tuple[int, int]] = []
    at = start if data.startswith(mark, start) else _line_start(data, mark, start, end)
    while 0 <= at < end and len(spans) < MAX_PARTS:
        line = data.find(b"\n", at, end)
        if line < 0 or data.startswith(b"--", at + len(mark)):
            break
        following = _line_start(data, mark, line, end)
        spans.append((line + 1, following if following >= 0 else end))
        at = following
    return spans


def _line_start(data: bytes, mark: bytes, start: int, end: int) -> int:
    at = data.find(b"\n" + mark, max(start - 1, 0), end)
    return at + 1 if at >= 0 else -1


def _fields(block: bytes) -> dict[str, str]:
    """The first of each wanted field, unfolded and decoded (RFC 2047)."""
    found: dict[str, str] = {}
    for match in _FIELD.finditer(block.replace(b"\r", b"")):
        name = match[1].decode().lower()
        if name not in found:
            found[name] = decode_words(_characters(match[2][:4000].replace(b"\n", b" "), "utf-8")).strip()
    return found


def _parameter(value: str, name: str) -> str:
    for match in _PARAMETER.finditer(value[:4000]):
        if match[1].lower() == name:
            return match[2].strip('"')
    return ""


def _file_name(fields: dict[str, str]) -> str:
    disposition = fields.get("content-disposition", "")
    name = _parameter(disposition, "filename") or _parameter(fields.get("content-type", ""), "name")
    if not name and disposition[:10].lower() == "attachment":
        return "unnamed"
    return name


def decode_words(value: str) -> str:
    """Decode the encoded words of a field (RFC 2047 §4), tolerantly: what cannot be decoded stays as it is."""
    if "=?" not in value:
        return value
    return _WORD.sub(_word, _BETWEEN_WORDS.sub(r"\1\2", value))


def _word(match: re.Match[str]) -> str:
    text = match[3].encode("utf-8", "replace")
    data = _base64(text) if match[2] in "bB" else binascii.a2b_qp(text, header=True)
    return _characters(data, match[1])


def _decode(body: bytes, fields: dict[str, str]) -> str:
    return _characters(_octets(body, fields), _parameter(fields.get("content-type", ""), "charset"))


def _octets(body: bytes, fields: dict[str, str]) -> bytes:
    """A body without its transfer encoding (RFC 2045 §6)."""
    encoding = fields.get("content-transfer-encoding", "").lower()
    if encoding == "base64":
        return _base64(body)
    return binascii.a2b_qp(body) if encoding == "quoted-printable" else body


def _base64(data: bytes) -> bytes:
    """Decode what can be decoded: foreign characters are skipped (RFC 2045 §6.8), a ragged end is cut."""
    kept = data.translate(None, _NOT_BASE64)
    whole = len(kept) * 3 // 4
    return binascii.a2b_base64(kept[: len(kept) - 1] if len(kept) % 4 == 1 else kept + b"A" * (-len(kept) % 4))[:whole]


def _characters(data: bytes, charset: str) -> str:
    name = charset.strip().lower()
    for encoding in (name if _CHARSET.fullmatch(name) else "utf-8", "utf-8"):
        try:
            return data.decode(encoding)
        except (UnicodeError, LookupError):
            continue
    # Cut in the middle of a character, or mislabelled: keep what is readable.
    text = data.decode("utf-8", "replace")
    return text if text.count("\ufffd") * 50 < len(text) else data.decode("latin-1")
