"""Where a login leads: back to the page that asked for it, when that is a page of ours. Kept in a cookie meanwhile."""

from __future__ import annotations

import base64
import binascii
import re

NAME = "return"
SECONDS = 600
MAX_LENGTH = 2900  # characters; in base64 they have to fit a cookie

# One slash, then neither another nor a backslash: "//evil.example" and "/\evil.example" are other hosts to a browser.
_LOCAL = re.compile(r"/(?![/\\])[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*\Z")


def local_path(text: str) -> str:
    """The text when it is a path of ours, with its query; "" for everything else."""
    return text if len(text) <= MAX_LENGTH and _LOCAL.match(text) else ""


def pack(path: str) -> str:
    """A path as the cookie's value."""
    return base64.urlsafe_b64encode(path.encode("ascii")).decode("ascii")


def unpack(value: str) -> str:
    """The path in a cookie; "" when there is none that is safe."""
    try:
        return local_path(base64.urlsafe_b64decode(value).decode("ascii"))
    except (binascii.Error, ValueError):
        return ""
