"""Stands before gated mailboxes: reads the rule, asks, remembers the last good answer, and says why not."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from identity.gates.rule import RuleError, Token, parse_rule
from identity.gates.verdict import Truth
from node.auth.gates.evaluate import Evaluator, Judgement
from node.auth.gates.holder import Holder, holder_of
from node.auth.refusal import Reason, Refusal
from node.base import metrics
from node.base.address import Address, normalize_domain, parse_address
from node.base.errors import Temporary
from node.base.log import get_log
from node.store import gates
from node.store.accounts import Account
from node.store.database import Database
from node.store.gates import StoredGate
from node.store.transaction import Reading

log = get_log(__name__)

NOTE_SECONDS = 60  # the last good answer is written down at most this often
RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Before:
    """What stands before an account: the gate, who asks, and when they last passed (unix seconds, or None)."""

    gate: StoredGate
    holder: Holder
    passed: int | None

    @property
    def digest(self) -> bytes:
        """Names the rule and who asks: with another rule or other wallets, the last good answer counts no more."""
        return _digest(self.gate, self.holder)


class Doorkeeper:
    """Judges holders by the gates in the database.

    Args:
        grace_seconds: how long a last good answer lets people in while a chain cannot be asked.
        clock: unix seconds.
    """

    def __init__(
        self, database: Database, evaluator: Evaluator, grace_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._evaluator = evaluator
        self._grace = grace_seconds
        self._clock = clock

    async def login(self, account: Account, holder: Account | None = None) -> Refusal | None:
        """None to let in: no gate, or its rule holds for the owner; or for `holder`, where the mailbox is shared.

        Raises:
            Temporary: the store cannot be read now.
        """
        before = await self._database.read(partial(find, account=account, holder=holder))
        return None if before is None else await self.judge(before)

    async def signup(self, domain: str, holder: Holder) -> Refusal | None:
        """None where a newcomer may open a mailbox at the domain. There is no time of grace for newcomers."""
        gate = await self._database.read(lambda tx: gates.get(tx, "signup", domain))
        return None if gate is None else await self.judge(Before(gate, holder, None))

    async def send(self, person: Account, senders: Sequence[Address]) -> Refusal | None:
        """None where a person may send as these addresses, as far as gates before sending are concerned.

        Raises:
            Temporary: the store cannot be read now.
        """
        return await self.judge_all(await self._database.read(lambda tx: before_sending(tx, person, senders)))

    async def judge_all(self, gates_before: Sequence[Before]) -> Refusal | None:
        """None where every one of them lets in."""
        for before in gates_before:
            if (refusal := await self.judge(before)) is not None:
                return refusal
        return None

    async def ask(self, gate: StoredGate, holder: Holder) -> Judgement | None:
        """What a gate says to somebody, leaf by leaf, without grace; None where its rule cannot be read."""
        try:
            rule = _parsed(gate.rule)
        except RuleError:
            return None
        return await self._evaluator.judge(rule, gate.revoke, holder, self._clock())

    async def standing(self, account: Account) -> list[tuple[StoredGate, Judgement | None]]:
        """What every gate that concerns a person says to them now."""

        def query(tx: Reading) -> tuple[list[StoredGate], Holder]:
            return gates.concerning(tx, parse_address(account.address)), holder_of(tx, account.id)

        found, holder = await self._database.read(query)
        return [(gate, await self.ask(gate, holder)) for gate in found]

    async def judge(self, before: Before) -> Refusal | None:
        """None to let in; see `login`."""
        try:
            rule = _parsed(before.gate.rule)
        except RuleError as error:  # written by another version: nobody passes what cannot be read
            log.warning("gate.unreadable", target=before.gate.target, reason=str(error))
            return self._refuse("unknown", Refusal(Reason.GATE_UNKNOWN, True, _UNTOLD, RETRY_SECONDS))
        now = self._clock()
        judgement = await self._evaluator.judge(rule, before.gate.revoke, before.holder, now)
        await self._note(before, judgement.truth, int(now))
        if judgement.truth is Truth.YES:
            metrics.gate_checks.labels("yes").inc()
            return None
        if judgement.truth is Truth.NO:
            return self._refuse("no", Refusal(Reason.GATE_CLOSED, False, _words(judgement, before.passed)))
        # Fail closed, but not at the first breath: who passed a moment ago does so while the chain is away. What no
        # answer of a chain could mend (a contract that broke) gets no grace: it would let sold tokens in.
        if judgement.passing and before.passed is not None and now - before.passed <= self._grace:
            log.warning("gate.grace", target=before.gate.target, last_good=before.passed)
            metrics.gate_checks.labels("grace").inc()
            return None
        return self._refuse("unknown", Refusal(Reason.GATE_UNKNOWN, True, _UNTOLD, RETRY_SECONDS))

    def _refuse(self, result: str, refusal: Refusal) -> Refusal:
        metrics.gate_checks.labels(result).inc()
        return refusal

    async def _note(self, before: Before, truth: Truth, now: int) -> None:
        account_id = before.holder.account_id
        if account_id is None or truth is Truth.UNKNOWN:
            return
        if truth is Truth.YES and before.passed is not None and now - before.passed < NOTE_SECONDS:
            return
        if truth is Truth.NO and before.passed is None:
            return
        when = now if truth is Truth.YES else None
        try:
            await self._database.write(lambda tx: gates.note(tx, account_id, before.digest, when))
        except Temporary as error:  # a full disk must not keep people from their mail
            log.warning("last good answer not written", reason=str(error))


_parsed = lru_cache(maxsize=1024)(parse_rule)
_UNTOLD = "it cannot be told now whether you hold what this mailbox asks for; try again later"


def find(tx: Reading, account: Account, holder: Account | None = None) -> Before | None:
    """What stands before logging in to an account; None when nothing does. `holder` asks where it is not the owner."""
    gate = gates.before(tx, "login", parse_address(account.address))
    if gate is None:
        return None
    who = holder_of(tx, (holder or account).id)
    return Before(gate, who, gates.passed(tx, (holder or account).id, _digest(gate, who)))


def before_sending(tx: Reading, person: Account, senders: Sequence[Address]) -> list[Before]:
    """What stands before sending as these addresses."""
    if not gates.are_set(tx, "send"):
        return []
    found = {gate.target: gate for each in senders if (gate := gates.before(tx, "send", each)) is not None}
    who = holder_of(tx, person.id)
    return [Before(gate, who, gates.passed(tx, person.id, _digest(gate, who))) for gate in found.values()]


def explain(judgement: Judgement) -> list[str]:
    """Every leaf's answer, a line each, for people: block, answer, what was asked, what was found."""
    lines = []
    for tag, verdict in judgement.verdicts:
        for leaf, finding in verdict.findings:
            block = "-" if finding.block is None else str(finding.block)
            lines.append("\t".join([str(tag), block, str(finding.truth), describe(leaf), finding.words]))
        lines.append("\t".join([str(tag), "-", str(verdict.truth), "the rule", ""]))
    return lines


def describe(leaf: object) -> str:
    """A leaf in a few words."""
    if isinstance(leaf, Token):
        token = f" token {leaf.id}" if leaf.id is not None else ""
        return f"{leaf.standard} {leaf.contract or 'coin'}{token} on {leaf.chain}"
    name, value = next(iter(leaf.model_dump().items())) if hasattr(leaf, "model_dump") else ("", "")
    return f"{name} {value}"


def _words(judgement: Judgement, passed: int | None) -> str:
    holds = "does not hold" if passed is None else "no longer holds"
    for _, verdict in judgement.verdicts:
        for leaf, finding in verdict.findings:
            if verdict.truth is Truth.NO and isinstance(leaf, Token) and finding.truth is Truth.NO:
                return f"your wallet {holds} what this mailbox asks for: {describe(leaf)}: {finding.words}"
    return "you do not meet what this mailbox asks for"


def _digest(gate: StoredGate, holder: Holder) -> bytes:
    parts = "\n".join([gate.use, gate.target, gate.rule, gate.revoke, *holder.subjects])
    return hashlib.sha256(parts.encode()).digest()


def target_of(text: str) -> str:
    """What a gate is kept under: an address's key, or a domain.

    Raises:
        AddressError: it is neither.
    """
    if "@" in text:
        return parse_address(text).key
    return normalize_domain(text)
