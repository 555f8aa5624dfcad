"""Readers for a corpus on disk (``SPLIT.tar.zst``, ``SPLIT.index.jsonl``); only training and evaluation need them."""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# CC BY-NC 4.0: it may test the shipped weights, it must not train them.
NEVER_TRAINED_ON = frozenset({"phishing_pot", "modern_a"})
_WINDOW = 27  # the archives are packed with a 128 MiB window


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled message: raw bytes, ``is_spam``, the owner's category, and where it came from.

    ``labels`` holds every class that is known to apply, or None where only ``is_spam`` and the weak category are known.
    ``telling`` is "head" or "tail" where only that end of the text makes it what it is, or "" for both.
    """

    id: str
    source: str
    split: str
    is_spam: bool
    category: str
    raw: bytes
    labels: frozenset[str] | None = None
    telling: str = ""


def suspects(corpus: Path) -> frozenset[str]:
    """Ids whose labels two models dispute; evaluation reports with and without them."""
    path = corpus / "suspect_labels.json"
    if not path.exists():
        return frozenset()
    listed = json.loads(path.read_text())
    return frozenset(listed["ham_suspect"]) | frozenset(listed["spam_suspect"])


def read_split(corpus: Path, split: str, *, without_suspects: bool = False) -> Iterator[Sample]:
    """Yield the messages of a split (``train``, ``val``, ``test``, ``modern_dev``) in the archive's order.

    Raises FileNotFoundError when the corpus is not there.
    """
    index = {}
    with (corpus / f"{split}.index.jsonl").open() as lines:
        for line in lines:
            row = json.loads(line)
            index[row["file"]] = row
    dropped = suspects(corpus) if without_suspects else frozenset()
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW}
    with (
        zstd.open(corpus / f"{split}.tar.zst", "rb", options=options) as packed,
        tarfile.open(fileobj=cast(IO[bytes], packed), mode="r|") as archive,
    ):
        for member in archive:
            row = index.get(member.name.removeprefix("./"))
            content = archive.extractfile(member) if row and member.isfile() else None
            if row is None or content is None or row["id"] in dropped:
                continue
            source = row["src"].partition("/")[0]
            yield Sample(row["id"], source, split, row["label"] == "spam", row["cat"], content.read())


def read_folder(folder: Path, *, is_spam: bool) -> Iterator[Sample]:
    """Yield every message of a Maildir or a plain folder of ``*.eml`` files (a site's own mail)."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (path.suffix == ".eml" or path.parent.name in ("cur", "new")):
            label = "spam" if is_spam else "ham"
            yield Sample(path.name, folder.name, "site", is_spam, label, path.read_bytes())
