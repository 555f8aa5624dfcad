"""What verification is made of: steps with their results, and what the person who verifies brings along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum

from node.anchor import note
from node.anchor.cosignature import CosignatureKey
from node.anchor.log_source import LogSource
from node.anchor.note import NoteKey
from node.net.chain.interface import Chain

NAMES = ("message", "leaf", "inclusion", "checkpoint", "registry", "chain", "consistency", "witnesses")


class Result(IntEnum):
    """What all steps come to; the number is the exit code of `waxseal verify`."""

    HOLDS = 0  # every step that was asked for
    DOES_NOT_HOLD = 1  # at least one
    INCOMPLETE = 3  # whatever could be checked holds, but not everything could be


@dataclass(frozen=True, slots=True)
class Step:
    """One step's result.

    Attributes:
        number: 1 to 8, as above.
        holds: None when it could not be checked; the words say why.
        words: for people.
        asked: False for an optional step that nobody asked for.
    """

    number: int
    holds: bool | None
    words: str
    asked: bool = True

    @property
    def name(self) -> str:
        """One word."""
        return NAMES[self.number - 1]


@dataclass(frozen=True, slots=True)
class RegistryAt:
    """Where log keys are registered, and on whose word: `account` "" means the keeper's, else who was first."""

    chain_id: int
    contract: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Trust:
    """What the verifier brings along, from other sources than the receipt.

    Attributes:
        keys: of the log, older ones included. None leaves step 4 to the registry's keys, else unchecked.
        revoked: keys of the log whose signatures count no more.
        keepers: the accounts that anchor, which may differ from chain to chain; none takes the receipt's word for it.
        chains: open connections by EIP-155 id, each to the chain the verifier trusts to be that one.
        registry: asks for step 5.
        later: asks for step 7: a signed checkpoint, bare or with its consistency proof (C2SP tlog-witness's form).
        log: asks for step 7: where the log is served, for its newest checkpoint or for the proof that `later` lacks.
        witnesses: ask for step 8.
        witnesses_needed: how many must have cosigned; 0 for all.
    """

    keys: tuple[NoteKey, ...] = ()
    revoked: tuple[NoteKey, ...] = ()
    keepers: tuple[str, ...] = ()
    chains: Mapping[int, Chain] = field(default_factory=dict)
    registry: RegistryAt | None = None
    later: str = ""
    log: LogSource | None = None
    witnesses: tuple[CosignatureKey, ...] = ()
    witnesses_needed: int = 0

    def asks_for(self, number: int) -> bool:
        """Whether the step is one of those that were asked for."""
        optional = {5: self.registry is not None, 7: bool(self.later or self.log), 8: bool(self.witnesses)}
        return optional.get(number, True)


def result(steps: Sequence[Step]) -> Result:
    """What the steps come to."""
    if any(step.holds is False for step in steps):
        return Result.DOES_NOT_HOLD
    return Result.INCOMPLETE if any(step.holds is None and step.asked for step in steps) else Result.HOLDS


def step(trust: Trust, number: int, holds: bool | None, words: str) -> Step:
    """The step's result, if it was asked for."""
    return Step(number, holds, words) if trust.asks_for(number) else not_asked(number)


def not_asked(number: int) -> Step:
    """What an optional step says when nobody asked for it."""
    return Step(number, None, "Not asked for.", asked=False)


def unchecked(number: int, why: str) -> Step:
    """A step that could not be taken."""
    return Step(number, None, f"Not checked: {why}.")


def signer_of(signed: str, keys: Sequence[NoteKey]) -> NoteKey | None:
    """Which of the keys has signed the note.

    Raises:
        NoteError: a line stands there in a key's name and does not hold.
    """
    _, signatures = note.split(signed)
    found = None
    for key in keys:
        if any((name, data[:4]) == (key.name, key.id) for name, data in signatures):
            note.verify(signed, key)
            found = found or key
    return found


def utc(seconds: int) -> str:
    """A time for people."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"  # a forged receipt may name any time
