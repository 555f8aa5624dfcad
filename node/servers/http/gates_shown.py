"""What gates say, made ready for people: every part of a rule, met or not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from identity.gates.verdict import Truth
from node.auth.gates.doorkeeper import describe
from node.auth.gates.evaluate import Judgement
from node.net.chain.reader import Tag
from node.store.gates import StoredGate

TRUTHS = {Truth.YES: "met", Truth.NO: "not met", Truth.UNKNOWN: "cannot be told now"}
USES = {
    "login": "Opening your mailbox",
    "signup": "Opening a mailbox",
    "send": "Sending as this address",
    "write": "Writing to this address",
}
TAGS = {Tag.FINALIZED: "as far as the chain is final", Tag.LATEST: "as of the newest block"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One part of a rule: what is asked, what was found, and where."""

    asked: str
    truth: str
    words: str
    block: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One gate's answer.

    Attributes:
        use: what it stands before.
        truth: "yes", "no" or "unknown"; `words` say the same.
    """

    use: str
    target: str
    truth: str
    words: str
    leaves: Sequence[Leaf]


def shown(gate: StoredGate, judgement: Judgement | None) -> Shown:
    """A gate and what it says."""
    truth = judgement.truth if judgement else Truth.UNKNOWN
    found = [
        Leaf(describe(leaf), TRUTHS[finding.truth], finding.words, _where(tag, finding.block, judgement))
        for tag, verdict in (judgement.verdicts if judgement else ())
        for leaf, finding in verdict.findings
    ]
    return Shown(USES[gate.use], gate.target, truth.value, TRUTHS[truth], found)


def _where(tag: Tag, block: int | None, judgement: Judgement | None) -> str:
    several = judgement is not None and len(judgement.verdicts) > 1
    words = [f"block {block}"] if block is not None else []
    return ", ".join([*words, *([TAGS[tag]] if several else [])])
