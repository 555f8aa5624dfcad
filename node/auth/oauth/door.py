"""Mail clients with an access token: the same door, brakes and token gates as for app passwords."""

from __future__ import annotations

import identity.refusal
from identity.oauth import sasl
from node.auth.gate import MARK_SECONDS, Attempt, Entry, Gate, Scope
from node.auth.oauth.access import AccessTokens
from node.auth.refusal import Reason, Refusal
from node.base.address import parse_address
from node.base.errors import Temporary
from node.base.log import get_log
from node.store.oauth import Grant

log = get_log(__name__)

# One text for every cause: a guesser must not learn whether the name exists.
BAD = Refusal(Reason.BAD_CREDENTIALS, False, "the access token is not good here; refresh it, or log in anew")
NARROW = Refusal(Reason.WRONG_SCOPE, False, "the access token was not given for this kind of access")

# Nobody guesses who brings a token that we signed: its client was away too long, or was disconnected.
_INNOCENT = frozenset({identity.refusal.Reason.EXPIRED, identity.refusal.Reason.REVOKED})


class TokenLogin:
    """Access tokens in, entry or refusal out.

    Args:
        gate: the one door, whose brakes and token gates count here, too.
        tokens: reads them.
    """

    def __init__(self, gate: Gate, tokens: AccessTokens) -> None:
        self._gate = gate
        self._tokens = tokens

    def challenge(self, refusal: Refusal, scope: Scope) -> bytes:
        """Why a token was not taken, for the client; b"" where another token would help no more (a token gate)."""
        status = {Reason.BAD_CREDENTIALS: "invalid_token", Reason.WRONG_SCOPE: "insufficient_scope"}
        if not isinstance(refusal.reason, Reason) or refusal.reason not in status:
            return b""
        return sasl.challenge(status[refusal.reason], scope, self._tokens.configuration)

    async def enter(self, username: str, token: str, scope: Scope, peer: str) -> Entry | Refusal:
        """Let somebody in with an access token.

        1. Who failed too often waits. 2. The token is ours, in time, and its grant stands. 3. It is for the mailbox
        that was named. 4. It is good for this kind of access. 5. A token gate before the mailbox is asked.

        Args:
            username: an address, "" where the client leaves that to the token; a shared mailbox is named as with app
                passwords.
            scope: what the protocol needs the token to be good for.
            peer: network address, without port.

        Raises:
            Temporary: the store cannot be read now.
        """
        attempt = self._gate.attempt(username, "", peer)
        refusal = self._gate.brake.refusal(attempt.peer, attempt.name)  # 1
        result = refusal or await self._judge(attempt, token, scope)
        if isinstance(result, _Guess):
            self._gate.brake.fail(attempt.peer, attempt.name)
        return self._gate.count(attempt, scope, result)

    async def _judge(self, attempt: Attempt, token: str, scope: Scope) -> Entry | Refusal:
        bearer = await self._tokens.read(token)  # 2
        if isinstance(bearer, identity.refusal.Refusal):
            log.info("access token refused", reason=bearer.reason.value)
            return BAD if bearer.reason in _INNOCENT else _GUESS
        person = bearer.account
        if attempt.name and (attempt.address is None or attempt.name != parse_address(person.address).key):  # 3
            return _GUESS
        if scope not in bearer.scopes:  # 4
            return NARROW
        self._gate.brake.welcome(attempt.peer, attempt.name)
        await self._mark(bearer.grant)
        account = await self._gate.asked_for(attempt, person, scope)
        if account is None:
            return BAD
        closed = await self._gate.admit(account, person)  # 5
        return closed or Entry(account, None, bearer.grant, person)

    async def _mark(self, grant: Grant) -> None:
        try:
            await self._tokens.mark_used(grant, MARK_SECONDS)
        except Temporary as error:  # a full disk must not keep people from their mail
            log.warning("last use not written", reason=str(error))


class _Guess(Refusal):
    """A refusal that counts as a failure."""

    __slots__ = ()


_GUESS = _Guess(BAD.reason, BAD.temporary, BAD.words)
