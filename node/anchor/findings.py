"""What a monitor may find wrong with a log: a closed list, and what of it is an alarm."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """What a look may find; a closed list."""

    FORK = "fork"  # the log has signed two histories: there is evidence
    INCONSISTENT = "inconsistent"  # its own hashes or entries do not lead to the root it signed
    ANCHOR = "anchor"  # the chain holds another root for that size
    UNSIGNED = "unsigned"  # what is served is not signed by the log's key, or about another log
    BACKWARDS = "backwards"  # it shows fewer entries than it did
    BEHIND = "behind"  # others, or the chain, know more of it than it shows
    UNWITNESSED = "unwitnessed"
    STALE = "stale"  # it has not grown for too long
    UNANCHORED = "unanchored"  # entries have waited for an anchor for too long
    UNREACHABLE = "unreachable"  # it could not be asked


ALARMS = frozenset({Kind.FORK, Kind.INCONSISTENT, Kind.ANCHOR, Kind.UNSIGNED, Kind.BACKWARDS})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold; `evidence` is the file written about it."""

    origin: str
    kind: Kind
    words: str
    evidence: Path | None = None


def as_json(findings: Iterable[Finding]) -> str:
    """Findings as one line of JSON."""
    rows = [
        {"origin": one.origin, "kind": one.kind, "alarm": one.kind in ALARMS, "words": one.words}
        | {"evidence": str(one.evidence) if one.evidence else None}
        for one in findings
    ]
    return json.dumps(rows, ensure_ascii=False)
