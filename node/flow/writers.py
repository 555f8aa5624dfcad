"""Gates for writing: who proves a DID and meets a mailbox's rule comes past the filter; others as the gate says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from identity import mail_proof
from identity.did.document import Method
from identity.did.resolve import Resolver
from identity.gates.verdict import Truth
from identity.mail_proof import BodyHash, Letter, Proof
from identity.refusal import Refusal
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.holder import Holder
from node.base import metrics
from node.base.address import Address
from node.base.log import get_log
from node.base.reply import Reply
from node.checks.opinion import Reason, Verdict
from node.directory.resolve import readers, resolve
from node.mail.address_list import Mailbox, addresses
from node.mail.headers import fields, header_end
from node.store import gates
from node.store.database import Database, Reading
from node.store.gates import StoredGate
from node.store.incoming import Incoming

log = get_log(__name__)

HEADER = 256 << 10  # octets
PIECE = 256 << 10
JUNK = "\\Junk"
NOT_FOR_STRANGERS = Reply(550, "5.7.1", "This mailbox takes mail only from who proves to meet its rule")
# Opinions that send to Junk because of what a letter looks like. Viruses and threats stay where they belong.
_LOOKS = frozenset({Reason.SPAM_JUNK, Reason.LEARNED, Reason.SECOND_OPINION})


class Standing(Enum):
    """How a letter stands with one recipient's gate."""

    MET = "met"
    JUNK = "junk"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class _Gated:
    address: Address
    gate: StoredGate
    readers: tuple[int, ...]


@dataclass(slots=True)
class Writers:
    """Asks gates for writing about letters that came in.

    Attributes:
        keeper: asks the rules.
        resolver: finds keys of DIDs.
        clock: unix seconds.
        expected: false when there was no gate for writing last time; `gates.unless_set` sees whether that is so still.
    """

    database: Database
    keeper: Doorkeeper
    resolver: Resolver
    clock: Callable[[], float] = time.time
    expected: bool = True

    async def standings(self, recipients: list[Address], incoming: Incoming) -> dict[int, Standing]:
        """How the letter stands, by account; those that are not named are treated as ever. It never costs mail."""
        self.expected, gated = await self.database.read(lambda tx: _gated(tx, recipients))
        if not gated:
            return {}
        try:
            proof, letter = await self._proof(incoming)
            return {
                reader: standing
                for one in gated
                if (standing := await self._standing(one, proof, letter)) is not None
                for reader in one.readers
            }
        except Exception:  # a bug here must not keep mail out
            log.exception("writers.crashed")
            return {}

    async def _proof(self, incoming: Incoming) -> tuple[Proof | None, Letter | None]:
        """The proof in a letter's header, once its DID was seen to have signed it, and the letter it must be for."""
        head = await incoming.head(HEADER)
        end = header_end(head, 0, len(head))
        found = [each for each in fields(head, 0, end) if each.name.lower() == mail_proof.FIELD.lower().encode()]
        if len(found) != 1:
            return None, None
        now = datetime.fromtimestamp(self.clock(), UTC)
        proof = mail_proof.read(found[0].value, now)
        letter = await _letter(head[:end], incoming, end)
        if isinstance(proof, Proof) and letter is not None and proof.letter == letter:
            signed = await mail_proof.verify(proof, self.resolver)
            if isinstance(signed, Method):
                return proof, letter
            proof = signed
        refusal = proof if isinstance(proof, Refusal) else None
        log.info("writers.not_proved", reason=str(refusal.reason) if refusal else "another-letter")
        return None, None

    async def _standing(self, one: _Gated, proof: Proof | None, letter: Letter | None) -> Standing | None:
        """Met, or what the gate says of others; None to treat the letter as ever."""
        truth = Truth.NO
        now = datetime.fromtimestamp(self.clock(), UTC)
        if proof and letter and mail_proof.judge(proof, letter, str(one.address), now) is None:
            subjects = (str(proof.did), *(f"eip155:0x{wallet.hex()}" for wallet in proof.wallets))
            shown = tuple((str(proof.did), token) for token in proof.credentials)
            judgement = await self.keeper.ask(one.gate, Holder(None, subjects, shown))
            truth = judgement.truth if judgement else Truth.UNKNOWN
        metrics.gate_letters.labels(truth.value).inc()
        if truth is Truth.YES:
            return Standing.MET
        # A chain that is away never bounces mail: what cannot be told is filtered as ever.
        if truth is Truth.UNKNOWN or one.gate.others == "filter":
            return None
        return Standing.REFUSE if one.gate.others == "refuse" else Standing.JUNK


def folders(standings: dict[int, Standing], verdict: Verdict) -> dict[int, str]:
    """Where accounts get a letter, for those where its author's standing says something else than the verdict."""
    spam_alone = not verdict.hold and all(
        opinion.reason in _LOOKS for opinion in verdict.opinions if opinion.folder or opinion.hold
    )
    met = "" if spam_alone else verdict.folder
    return {account: met if how is Standing.MET else JUNK for account, how in standings.items()}


def refuses(standings: dict[int, Standing], reached: int) -> bool:
    """True when every account reached refuses the letter: one reply speaks for all of them."""
    refusing = sum(how is Standing.REFUSE for how in standings.values())
    return refusing > 0 and refusing == reached


def _gated(tx: Reading, recipients: list[Address]) -> tuple[bool, list[_Gated]]:
    """Whether there is any gate for writing, and those before these recipients."""
    if not gates.are_set(tx, "write"):
        return False, []
    found = []
    for address in recipients:
        gate = gates.before(tx, "write", address)
        if gate is not None:
            found.append(_Gated(address, gate, tuple(one.account.id for one in readers(resolve(tx, address)))))
    return True, found


async def _letter(head: bytes, incoming: Incoming, start: int) -> Letter | None:
    named = {name: [each.value for each in fields(head, 0, len(head)) if each.name.lower() == name]
             for name in (b"from", b"message-id")}  # fmt: skip
    if any(len(values) != 1 for values in named.values()):
        return None
    authors = list(addresses(named[b"from"][0]))
    if len(authors) != 1 or not isinstance(authors[0], Mailbox):
        return None
    hashed = BodyHash()
    while piece := await incoming.read(start, PIECE):
        hashed.update(piece)
        start += len(piece)
    try:
        author = f"{authors[0].local.decode()}@{authors[0].domain.decode()}".lower()
        return Letter(author, named[b"message-id"][0].strip().decode("ascii"), hashed.digest())
    except UnicodeDecodeError:
        return None
