"""SCRAM at the one door (RFC 5802, RFC 7677): an app password is proved and never sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import identity.refusal
from identity import scram
from identity.scram import MECHANISM, PLUS, Verifier
from node.auth import scram_keys
from node.auth.app_passwords import MAX_PER_ACCOUNT
from node.auth.gate import Attempt, Entry, Gate, Person, Scope
from node.auth.refusal import Reason, Refusal
from node.store import node_secrets
from node.store.database import Database

_BAD = Refusal(Reason.BAD_CREDENTIALS, False, "unknown address or wrong app password")
_TRIED = MAX_PER_ACCOUNT * scram_keys.SPELLINGS  # verifiers, for everybody: the time tells nothing


def mechanisms(bindings: Mapping[str, bytes]) -> tuple[str, ...]:
    """What to offer on a connection; -PLUS only where the channel can be bound to."""
    return (PLUS, MECHANISM) if bindings else (MECHANISM,)


@dataclass(frozen=True, slots=True)
class Passed:
    """The client proved its app password.

    Attributes:
        words: the server's final message: shows the client that the node knows the password, too.
    """

    entry: Entry
    words: bytes


@dataclass(frozen=True, slots=True)
class ScramExchange:
    """One login under way: `challenge` goes to the client, its answer to `finish`."""

    _gate: Gate
    _attempt: Attempt
    _scope: Scope
    _exchange: scram.Exchange
    _ids: list[int]
    _binding: bytes

    @property
    def challenge(self) -> bytes:
        """The server's first message."""
        return self._exchange.server_first.encode("ascii")

    async def finish(self, message: bytes) -> Passed | Refusal:
        """Judge the client's final message.

        1. Who failed too often waits. 2. The proof opens a key of the account. 3. The gate's own last words: the app
        password is still there, good for this, and no token gate objects.

        Raises:
            Temporary: the store cannot be read now.
        """
        return self._gate.count(self._attempt, self._scope, await self._judge(message))

    async def _judge(self, message: bytes) -> Passed | Refusal:
        brake, attempt = self._gate.brake, self._attempt
        if (refusal := brake.refusal(attempt.peer, attempt.name)) is not None:  # 1: again, after a burst of firsts
            return refusal
        words = self._exchange.finish(message.decode("utf-8", "replace"), self._binding)  # 2
        opened = self._exchange.opened
        if isinstance(words, identity.refusal.Refusal) or opened is None or opened >= len(self._ids):
            brake.fail(attempt.peer, attempt.name)
            return _BAD
        entry = await self._gate.open(attempt, self._ids[opened], self._scope)  # 3
        return entry if isinstance(entry, Refusal) else Passed(entry, words.encode("ascii"))


class ScramLogin:
    """Begins exchanges; one for the whole node."""

    def __init__(self, database: Database, gate: Gate) -> None:
        self._database = database
        self._gate = gate
        self._key: bytes | None = None

    async def begin(
        self, mechanism: str, message: bytes, scope: Scope, peer: str, bindings: Mapping[str, bytes]
    ) -> ScramExchange | Refusal:
        """Read the client's first message and make the challenge, whether the address exists or not.

        Args:
            mechanism: one of `mechanisms(bindings)`.
            peer: network address, without port.
            bindings: what a client can bind to on this connection, by name.

        Raises:
            Temporary: the store cannot be read now.
        """
        first = scram.read_first(message.decode("utf-8", "replace"), mechanism, bindings)
        if isinstance(first, identity.refusal.Refusal):
            return Refusal(first.reason, False, first.words)
        attempt = self._gate.attempt(first.name, "", peer)
        if first.authzid and self._gate.attempt(first.authzid, "", peer).name != attempt.name:
            return Refusal(Reason.WRONG_SCOPE, False, "nobody may act for others here")
        if (refusal := self._gate.brake.refusal(attempt.peer, attempt.name)) is not None:
            return self._gate.count(attempt, scope, refusal)
        decoy = scram.decoy(attempt.name, await self._secret())
        verifiers, ids = _verifiers(await self._gate.find(attempt), decoy)
        exchange = scram.Exchange(first, verifiers)
        return ScramExchange(self._gate, attempt, scope, exchange, ids, bindings.get(first.binding, b""))

    async def _secret(self) -> bytes:
        if self._key is None:
            self._key = await self._database.write(lambda tx: node_secrets.need(tx, scram_keys.SECRET))
        return self._key


def _verifiers(person: Person | None, decoy: Verifier) -> tuple[list[Verifier], list[int]]:
    """What to try, filled up with decoys that nothing opens; and whose app password each of the first ones is."""
    rows = [row for row in person.passwords if row.scram] if person else []
    salt = scram_keys.salt_of(rows)
    found = [(v, row.id) for row in rows for v in scram_keys.verifiers(row.scram or b"") if v.salt == salt]
    model = found[0][0] if found else decoy
    filler = Verifier(model.salt, model.iterations, decoy.stored_key, decoy.server_key)
    return [v for v, _ in found] + [filler] * max(1, _TRIED - len(found)), [id for _, id in found]
