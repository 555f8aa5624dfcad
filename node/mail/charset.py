"""Octets to text under whatever charset label a message carries; wrong and missing labels included."""

from __future__ import annotations

import codecs
from functools import lru_cache

# Labels as senders use them, beside what Python calls the superset that decodes them (WHATWG Encoding §4.2).
_ALIASES = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "windows-874": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "big5": "big5hkscs",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
}
# Not charsets of mail; `idna` and `punycode` take quadratic time on hostile input.
_REFUSED = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"})


@lru_cache(maxsize=512)
def _codec(label: str) -> str | None:
    name = label.strip().strip("\"'").lower()
    name = _ALIASES.get(name, name)
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    is_text = getattr(found, "_is_text_encoding", True)
    return found.name if is_text and found.name.replace("_", "-") not in _REFUSED else None


def decode(data: bytes, label: str | None) -> str:
    """Decode `data`; never fails.

    UTF-8 is tried first where the label promises ASCII, is unknown or is missing: real UTF-8 is hardly ever anything
    else. What does not decode is replaced by U+FFFD, or read as Windows-1252 when nothing better is known.
    """
    name = _codec(label[:64]) if label else None
    if name in {None, "cp1252"}:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("cp1252", "replace")
    assert name is not None
    try:
        return data.decode(name, "replace")
    except (UnicodeError, ValueError, LookupError):
        return data.decode("utf-8", "replace")
