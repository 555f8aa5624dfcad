"""What is known of people beside chains: credentials they have shown, and the groups they are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import identity.refusal
from identity.credentials.credential import Credential
from identity.credentials.verify import Verifier, unverified
from identity.did import syntax
from identity.did.syntax import Did
from identity.gates.claims import fits
from identity.gates.rule import Wanted
from identity.gates.verdict import Finding, Truth
from identity.refusal import Reason
from node.auth.gates.holder import Holder
from node.base.errors import Temporary
from node.store import shown_credentials
from node.store.database import Database
from node.store.shown_credentials import Shown

# What may be otherwise in a minute: a document or a status list that cannot be fetched now, a check that failed.
_PASSING = frozenset({Reason.UNRESOLVABLE, Reason.UNKNOWN_STATUS, Reason.UNCHECKED})


class Groups(Protocol):
    """Knows who is in which group."""

    async def is_member(self, account_id: int, group: str) -> bool | None:
        """None when there is no such group.

        Raises:
            Temporary: that cannot be told now.
        """
        ...


class KeptEvidence:
    """Evidence from the store (`holder.Evidence`). A credential is verified anew each time, its status included.

    Args:
        verifier: knows keys of issuers and status lists, and remembers them for minutes.
        groups: None: this node has none.
        clock: unix seconds.
    """

    def __init__(
        self, database: Database, verifier: Verifier, groups: Groups | None, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._verifier = verifier
        self._groups = groups
        self._clock = clock

    async def credential(self, holder: Holder, wanted: Wanted) -> Finding:
        """See `holder.Evidence`.

        1. What was shown lately. 2. By a DID that is still the person's. 3. Issued by, and saying, what is asked for.
        4. It still holds: the issuer's keys and the status list are looked at again.
        """
        try:
            shown = await self._shown(holder)  # 1
        except Temporary as error:
            return Finding(Truth.UNKNOWN, str(error), passing=True)
        trouble: identity.refusal.Refusal | None = None
        for one in shown:
            did = syntax.parse(one.holder)
            if not isinstance(did, Did) or not holder.is_known_as(one.holder):  # 2
                continue
            found = await self._verified(one, did, wanted)
            if isinstance(found, Credential):
                return Finding(Truth.YES, f"shown by {one.holder[:80]}, and it holds")
            trouble = _graver(trouble, found)
        if trouble is None:
            return Finding(Truth.NO, "no such credential was shown; log in with your DID and show it")
        passing = trouble.reason in _PASSING
        return Finding(Truth.UNKNOWN if passing else Truth.NO, trouble.words, passing=passing)

    async def _shown(self, holder: Holder) -> Sequence[Shown]:
        account_id, now = holder.account_id, int(self._clock())
        if account_id is None:
            return [Shown(token, did, now, now + 1) for did, token in holder.credentials]
        return await self._database.read(lambda tx: shown_credentials.listing(tx, account_id, now))

    async def _verified(self, one: Shown, did: Did, wanted: Wanted) -> Credential | identity.refusal.Refusal | None:
        """The credential, why it does not hold, or None when it is another than is asked for."""
        moment = datetime.fromtimestamp(self._clock(), UTC)
        if not _claims_to_be(one.token, wanted):  # 3: nothing is fetched for what would not help
            return None
        found = await self._verifier.credential(one.token, moment)  # 4
        if isinstance(found, identity.refusal.Refusal):
            return found
        return found if found.is_about(did) and fits(found, wanted) else None

    async def group(self, holder: Holder, name: str) -> Finding:
        """See `holder.Evidence`."""
        if self._groups is None:
            return Finding(Truth.UNKNOWN, "this node has no groups")
        if holder.account_id is None:
            return Finding(Truth.NO, "nobody without a mailbox here is in a group")
        try:
            member = await self._groups.is_member(holder.account_id, name)
        except Temporary as error:
            return Finding(Truth.UNKNOWN, str(error), passing=True)
        if member is None:
            return Finding(Truth.UNKNOWN, "there is no such group")
        return Finding(Truth.YES if member else Truth.NO, "is in the group" if member else "is not in the group")


def _claims_to_be(token: str, wanted: Wanted) -> bool:
    found = unverified(token)
    return isinstance(found, Credential) and fits(found, wanted)


def _graver(
    known: identity.refusal.Refusal | None, found: Credential | identity.refusal.Refusal | None
) -> identity.refusal.Refusal | None:
    """Of several credentials that do not hold, the one that may hold again counts."""
    if not isinstance(found, identity.refusal.Refusal) or (known is not None and known.reason in _PASSING):
        return known
    return found
