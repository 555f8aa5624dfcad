"""A rule asked for one holder: each chain once, at one block, in one batch; other leaves through `Evidence`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import trio

from identity.gates.rule import Credential, DidIs, Group, Leaf, Rule, Token, leaves
from identity.gates.tokens import judge, questions
from identity.gates.verdict import Finding, Truth, Verdict, conclude
from node.auth.gates.holder import Evidence, Holder
from node.base.errors import Temporary
from node.net.chain.interface import Block
from node.net.chain.reader import Moved, Reader, Tag

REMEMBERED = 20_000  # chains' answers, by leaves, holder and block
TRIES = 3  # when the chain is reorganised while it is asked

_Key = tuple[bytes, tuple[Token, ...], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a gate says, and on which blocks' word.

    Attributes:
        truth: yes only when every verdict says yes.
        passing: it is unknown, but for passing trouble alone.
        verdicts: at the finalized blocks; where the gate wants it, also at the newest.
    """

    truth: Truth
    passing: bool
    verdicts: tuple[tuple[Tag, Verdict], ...]


@dataclass(frozen=True, slots=True)
class _Asker:
    """For whom, at which block, and when."""

    tag: Tag
    holder: Holder
    now: float


class Evaluator:
    """Asks chains and evidence. One for the node: it remembers what chains said of a block, which never changes.

    Args:
        readers: by CAIP-2 name.
        evidence: for leaves beside chains; None: they stay unknown.
    """

    def __init__(self, readers: Mapping[str, Reader], evidence: Evidence | None = None) -> None:
        self._readers = readers
        self._evidence = evidence
        self._answers: OrderedDict[_Key, tuple[Finding, ...]] = OrderedDict()
        self._running: dict[_Key, trio.Event] = {}

    async def judge(self, rule: Rule, revoke: str, holder: Holder, now: float) -> Judgement:
        """Whether the holder may pass.

        Access is granted on finalized blocks. With `revoke` "latest" the newest must agree: who has just given a
        token away is out before the chain is sure of it.

        Args:
            now: unix seconds.
        """
        tags = [Tag.FINALIZED, *([Tag.LATEST] if revoke == Tag.LATEST else [])]
        verdicts = [(tag, await self.verdict(rule, tag, holder, now)) for tag in tags]
        truths = [verdict.truth for _, verdict in verdicts]
        if Truth.NO in truths:
            return Judgement(Truth.NO, False, tuple(verdicts))
        if Truth.UNKNOWN in truths:
            passing = all(verdict.passing for _, verdict in verdicts if verdict.truth is Truth.UNKNOWN)
            return Judgement(Truth.UNKNOWN, passing, tuple(verdicts))
        return Judgement(Truth.YES, False, tuple(verdicts))

    async def verdict(self, rule: Rule, tag: Tag, holder: Holder, now: float) -> Verdict:
        """The rule at one kind of block; chains are asked side by side."""
        found: dict[Token, Finding] = {}
        tokens: dict[str, list[Token]] = {}
        for token in dict.fromkeys(leaf for leaf in leaves(rule) if isinstance(leaf, Token)):
            tokens.setdefault(token.chain, []).append(token)
        asker = _Asker(tag, holder, now)
        async with trio.open_nursery() as nursery:
            for chain, asked in tokens.items():
                nursery.start_soon(self._read, chain, tuple(asked), asker, found)
        findings = [
            (leaf, found[leaf] if isinstance(leaf, Token) else await self._beside(leaf, holder))
            for leaf in leaves(rule)
        ]
        return conclude(rule, findings)

    async def _read(self, chain: str, asked: tuple[Token, ...], asker: _Asker, found: dict[Token, Finding]) -> None:
        reader = self._readers.get(chain)
        if reader is None:
            words = f"the settings name no server for {chain}"
            found.update(dict.fromkeys(asked, Finding(Truth.UNKNOWN, words)))
            return
        try:
            answers = await self._pinned(reader, asked, asker)
        except Temporary as error:
            found.update(dict.fromkeys(asked, Finding(Truth.UNKNOWN, str(error), passing=True)))
        else:
            found.update(zip(asked, answers, strict=True))

    async def _pinned(self, reader: Reader, asked: tuple[Token, ...], asker: _Asker) -> tuple[Finding, ...]:
        """All of one chain's leaves at one block. A block that is gone meanwhile is not believed: another is taken."""
        wallets = asker.holder.wallets(reader.chain)
        for attempt in range(TRIES):
            block = await reader.head(asker.tag, asker.now, anew=attempt > 0)
            key = (block.hash, asked, tuple(wallets))
            while (running := self._running.get(key)) is not None:  # somebody asks the same: five connections at once
                await running.wait()
            if (known := self._answers.get(key)) is not None:
                self._answers.move_to_end(key)
                return known
            self._running[key] = trio.Event()
            try:
                answers = await _ask(reader, block, asked, wallets)
            except Moved:
                continue
            finally:
                self._running.pop(key).set()
            if not any(finding.passing for finding in answers):
                self._remember(key, answers)
            return answers
        raise Temporary("the chain is reorganised again and again")

    def _remember(self, key: _Key, answers: tuple[Finding, ...]) -> None:
        self._answers[key] = answers
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)

    async def _beside(self, leaf: Leaf, holder: Holder) -> Finding:
        match leaf:
            case DidIs(did=did):
                known = holder.is_known_as(did)
                return Finding(Truth.YES if known else Truth.NO, "is bound" if known else "is not bound to the account")
            case Credential(credential=wanted) if self._evidence:
                return await self._evidence.credential(holder, wanted)
            case Group(group=name) if self._evidence:
                return await self._evidence.group(holder, name)
        return Finding(Truth.UNKNOWN, "this node does not check that")


async def _ask(reader: Reader, block: Block, asked: Sequence[Token], wallets: Sequence[bytes]) -> tuple[Finding, ...]:
    each = [questions(leaf, wallets) for leaf in asked]
    answers = await reader.answers(block, [question for some in each for question in some])
    found, start = [], 0
    for leaf, some in zip(asked, each, strict=True):
        found.append(judge(leaf, wallets, answers[start : start + len(some)], block.number))
        start += len(some)
    return tuple(found)
