"""Verifying credentials, with all that they lean on: keys of issuers, times, status lists.

Verified means: this issuer said it, and still says it. Whether the issuer is one to believe, whoever asks has to know.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from identity import jose
from identity.credentials import credential as credentials
from identity.credentials import linked, status_list
from identity.credentials.credential import Credential
from identity.credentials.linked import Proofs
from identity.did.document import Purpose
from identity.did.resolve import Resolver
from identity.did.syntax import Did
from identity.jose import SKEW, Token
from identity.refusal import Reason, Refusal

NO_PROOFS = Refusal(
    Reason.UNKNOWN_SUITE, "credentials with an embedded proof are not verified here; show signed tokens"
)


class StatusLists(Protocol):
    """Fetches status lists from addresses that credentials name."""

    async def fetch(self, url: str) -> str | Refusal:
        """The compact token at an https address, or why there is none."""
        ...


class Verifier:
    """Verifies credentials.

    Args:
        resolver: finds the keys of issuers; what it does not resolve, is not accepted.
        lists: fetches status lists; None refuses every credential that has a status.
        proofs: checks embedded proofs; None refuses every credential that has one.
    """

    def __init__(self, resolver: Resolver, lists: StatusLists | None = None, proofs: Proofs | None = None) -> None:
        self._resolver = resolver
        self._lists = lists
        self.proofs = proofs

    async def credential(self, compact: str, now: datetime) -> Credential | Refusal:
        """Decide whether a credential holds at `now` (aware).

        `compact` is a signed token, or JSON with an embedded proof (`linked`).
        1. It is a credential within bounds. 2. It is valid now. 3. Its issuer signed it, with a key
        for assertions. 4. No status list of the same issuer says that it was taken back.
        """
        if linked.is_linked(compact):
            found = await self._embedded(compact, now)  # 1, 2, 3
        else:
            found = await self._signed(compact, now, jose.MAX_TOKEN)  # 1, 2, 3
        return found if isinstance(found, Refusal) else await self._standing(found, now)  # 4

    async def all_about(self, holder: Did, compacts: Iterable[str], now: datetime) -> tuple[Credential, ...] | Refusal:
        """Decide whether every single credential holds and is about `holder`; one that does not, spoils them all."""
        found: list[Credential] = []
        for compact in compacts:
            one = await self.credential(compact, now)
            if isinstance(one, Refusal):
                return one
            if not one.is_about(holder):
                return Refusal(Reason.WRONG_HOLDER, "a credential is about somebody else than who shows it")
            found.append(one)
        return tuple(found)

    async def _signed(self, compact: str, now: datetime, limit: int) -> Credential | Refusal:
        token = jose.read(compact, limit)
        if isinstance(token, Refusal):
            return token
        found = credentials.read(token)
        if isinstance(found, Refusal):
            return found
        refusal = jose.judge_times(token.claims, now) or _judge_times(found, now)
        if refusal is not None:
            return refusal
        method = await jose.verify(token, found.issuer, Purpose.ASSERTION, self._resolver)
        return method if isinstance(method, Refusal) else found

    async def _embedded(self, text: str, now: datetime) -> Credential | Refusal:
        """didkit passes what has expired, whoever signed: all that is judged here, before it is asked."""
        read = linked.read(text)
        if isinstance(read, Refusal):
            return read
        refusal = linked.judge_created(read.created, now) or _judge_times(read.credential, now)
        if refusal is None:
            refusal = NO_PROOFS if self.proofs is None else await self.proofs.check(read.question)
        return read.credential if refusal is None else refusal

    async def _standing(self, found: Credential, now: datetime) -> Credential | Refusal:
        entries = status_list.entries(found)
        if isinstance(entries, Refusal):
            return entries
        for entry in entries:
            if self._lists is None:
                return Refusal(Reason.UNKNOWN_STATUS, "the credential has a status that cannot be checked here")
            compact = await self._lists.fetch(entry.url)
            if isinstance(compact, Refusal):
                return Refusal(Reason.UNKNOWN_STATUS, f"the credential's status cannot be checked: {compact.words}")
            # The list is a credential itself, whose own status is not asked for: that could go on for ever.
            listed = await self._signed(compact, now, status_list.MAX_TOKEN)
            if isinstance(listed, Refusal):
                return Refusal(Reason.UNKNOWN_STATUS, f"the credential's status cannot be checked: {listed.words}")
            if listed.issuer != found.issuer:  # otherwise anybody's list would do
                return Refusal(Reason.WRONG_ISSUER, "the status list is by another issuer than the credential")
            refusal = status_list.judge(listed, entry)
            if refusal is not None:
                return refusal
        return found


def unverified(text: str) -> Credential | Refusal:
    """What a credential claims to be, of which nothing is verified."""
    if linked.is_linked(text):
        read = linked.read(text)
        return read if isinstance(read, Refusal) else read.credential
    token = jose.read(text)
    return credentials.read(token) if isinstance(token, Token) else token


def _judge_times(found: Credential, now: datetime) -> Refusal | None:
    if found.valid_from is not None and found.valid_from > now + SKEW:
        return Refusal(Reason.NOT_YET_VALID, "the credential is not valid yet")
    if found.valid_until is not None and found.valid_until <= now:
        return Refusal(Reason.EXPIRED, "the credential has expired")
    return None
