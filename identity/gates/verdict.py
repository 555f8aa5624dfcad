"""Three-valued answers, and how a rule's leaves make its verdict (Kleene's strong logic of indeterminacy)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce

from identity.gates.rule import All, Any_, Leaf, Not, Rule


class Truth(StrEnum):
    """Whether something holds."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one leaf.

    Attributes:
        truth: whether it holds.
        words: for people: the value and what was asked for, or why nothing can be told.
        passing: the ignorance is the network's and may pass. What a contract cannot tell at a block, it never will.
        block: number of the block it was read at; None where no chain was asked.
    """

    truth: Truth
    words: str
    passing: bool = False
    block: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule's answer.

    Attributes:
        truth: whether the rule holds.
        passing: it is unknown, and nothing but passing trouble stands in the way.
        findings: of every leaf, in the rule's order.
    """

    truth: Truth
    passing: bool
    findings: tuple[tuple[Leaf, Finding], ...]


def conclude(rule: Rule, findings: Sequence[tuple[Leaf, Finding]]) -> Verdict:
    """Join the findings of `rule.leaves(rule)`, given in their order."""
    (truth,) = _fold(rule, [frozenset({finding.truth}) for _, finding in reversed(findings)])
    # What passes may turn out any way. Where no way leads to yes (a broken contract stands there), time mends nothing.
    later = [_ANY if finding.passing else frozenset({finding.truth}) for _, finding in reversed(findings)]
    passing = truth is Truth.UNKNOWN and Truth.YES in _fold(rule, later)
    return Verdict(truth, passing, tuple(findings))


_ANY = frozenset(Truth)
_OPPOSITE = {Truth.YES: Truth.NO, Truth.NO: Truth.YES, Truth.UNKNOWN: Truth.UNKNOWN}


def _fold(rule: Rule, left: list[frozenset[Truth]]) -> frozenset[Truth]:
    """What the tree can come to, by what its leaves can come to; takes the leaves from the list's end."""
    match rule:
        case Any_():
            return reduce(_either, [_fold(branch, left) for branch in rule.any])
        case All():
            return _invert(reduce(_either, [_invert(_fold(branch, left)) for branch in rule.all]))  # De Morgan
        case Not():
            return _invert(_fold(rule.not_, left))
        case _:
            return left.pop()


def _invert(values: frozenset[Truth]) -> frozenset[Truth]:
    return frozenset(_OPPOSITE[value] for value in values)


def _either(first: frozenset[Truth], second: frozenset[Truth]) -> frozenset[Truth]:
    return frozenset(_or(one, other) for one in first for other in second)


def _or(one: Truth, other: Truth) -> Truth:
    if Truth.YES in (one, other):
        return Truth.YES
    return Truth.UNKNOWN if Truth.UNKNOWN in (one, other) else Truth.NO
