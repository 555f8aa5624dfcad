"""Mail of the tests' own TOML files: written cases as raw messages."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def tables(folder: str, name: str) -> dict[str, list[dict[str, Any]]]:
    """Every ``[[name]]`` table of a folder's TOML files, by file name."""
    files = sorted((HERE / folder).glob("*.toml"))
    return {path.stem: tomllib.loads(path.read_text("utf-8"))[name] for path in files}


def letter(row: Mapping[str, Any]) -> bytes:
    """A table as a message: ``from``, ``subject``, and ``text`` or ``html``."""
    message = EmailMessage(policy=SMTP.clone(utf8=True))
    message["From"], message["Subject"] = row["from"], row["subject"]
    if "html" in row:
        message.set_content(row["html"], subtype="html")
    else:
        message.set_content(row["text"])
    return message.as_bytes()
