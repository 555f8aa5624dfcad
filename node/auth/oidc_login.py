"""Logging in to the pages with an outside OpenID provider: the browser out with a challenge, and back with a code."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from identity.did.multibase import encode_base64url
from identity.oauth import pkce
from node.auth.challenges import USED, LoginDesk
from node.auth.oidc_provider import OidcProvider
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import is_token
from node.auth.wallet import LoggedIn
from node.store import oidc_subjects
from node.store.transaction import Writing

MAX_CODE = 2048  # characters
_SCOPE = "oidc"
_MIXED_UP = Refusal(Reason.NOT_PROVED, False, "the answer comes from another provider than the one asked; start again")
_SAID_NO = Refusal(Reason.NOT_PROVED, False, "the provider did not say who you are; start again to try once more")


@dataclass(frozen=True, slots=True)
class Button:
    """A way in on the login page."""

    name: str
    slug: str


class OidcLogin:
    """Challenges out, sessions in.

    The PKCE verifier and the nonce are made of the state and of the browser's own secret: nothing has to be kept but
    the state, and an answer is of use in this browser alone.

    Args:
        desk: what all logins stand on.
        providers: those of the settings, by slug.
        origin: where people are sent back to.
    """

    def __init__(self, desk: LoginDesk, providers: Sequence[OidcProvider], origin: str) -> None:
        self._database, self._sessions, self._clock = desk.database, desk.sessions, desk.clock
        self._providers = {provider.told.slug: provider for provider in providers}
        self._origin = origin
        self._challenges = desk.challenges()

    @property
    def buttons(self) -> tuple[Button, ...]:
        """For the login page."""
        return tuple(Button(one.told.name, slug) for slug, one in self._providers.items())

    def knows(self, slug: str) -> bool:
        """True for a provider of the settings."""
        return slug in self._providers

    async def begin(self, slug: str, browser: str, peer: str) -> str | Refusal:
        """Where to send the browser: the provider's page, with state, nonce and PKCE challenge (Core §3.1.2.1)."""
        provider = self._providers[slug]
        state = await self._challenges.issue(_purpose(slug), browser, peer)
        if isinstance(state, Refusal):
            return state
        facts = await provider.facts()
        if isinstance(facts, Refusal):
            return facts
        asked = {
            "response_type": "code",
            "client_id": provider.told.client_id,
            "redirect_uri": self._back(slug),
            "scope": "openid",
            "state": state.value,
            "nonce": _made(browser, "nonce", state.value),
            "code_challenge": pkce.challenge_of(_made(browser, "verifier", state.value)),
            "code_challenge_method": pkce.METHOD,
        }
        return facts.authorization + ("&" if "?" in facts.authorization else "?") + urlencode(asked)

    async def finish(self, slug: str, browser: str, answer: Mapping[str, str], peer: str) -> LoggedIn | Refusal:
        """Open a session for whom the provider says is there.

        1. The state is this browser's, for this provider, and unused; it is used up from here on. 2. The answer is
        this provider's (RFC 9207 §2.4). 3. It brings a code. 4. The code gets an id_token that holds. 5. Its subject is
        bound to an account. 6. A token gate lets its owner in. 7. The session is opened in a transaction in which the
        subject is still bound.
        """
        return await self._challenges.attempt(_SCOPE, peer, lambda: self._judged(slug, browser, answer), slug)

    async def _judged(self, slug: str, browser: str, answer: Mapping[str, str]) -> LoggedIn | Refusal:
        provider, state = self._providers[slug], answer.get("state", "")
        if not is_token(browser) or not await self._challenges.use(_purpose(slug), browser, state):  # 1
            return USED
        facts = await provider.facts()
        if isinstance(facts, Refusal):
            return facts
        if answer.get("iss", "" if facts.sends_iss else provider.told.issuer) != provider.told.issuer:  # 2
            return _MIXED_UP
        code = answer.get("code", "")
        if "error" in answer or not 0 < len(code) <= MAX_CODE:  # 3
            return _SAID_NO
        verifier, nonce = _made(browser, "verifier", state), _made(browser, "nonce", state)
        now = datetime.fromtimestamp(self._clock(), UTC)
        subject = await provider.subject(code, verifier, self._back(slug), nonce, now)  # 4
        if isinstance(subject, Refusal):
            return subject
        issuer = provider.told.issuer
        account = await self._database.read(lambda tx: oidc_subjects.bound(tx, issuer, subject))  # 5
        if account is None:
            return _unbound(provider, subject)
        if (shut := await self._sessions.admit(account)) is not None:  # 6
            return shut

        def enter(tx: Writing) -> LoggedIn | Refusal:  # 7
            if oidc_subjects.bound(tx, issuer, subject) != account:
                return _unbound(provider, subject)
            return LoggedIn(account, self._sessions.begin(tx, account, "oidc"))

        return await self._database.write(enter)

    def _back(self, slug: str) -> str:
        """Each provider has its own: answers cannot be mixed up (RFC 9700 §4.4.2.2)."""
        return f"{self._origin}/auth/oidc/{slug}/back"


def _unbound(provider: OidcProvider, subject: str) -> Refusal:
    advice = f"tell whoever runs this node what you are called there: {subject}"
    return Refusal(Reason.UNBOUND_SUBJECT, False, f"no mailbox here belongs to you at {provider.told.name}; {advice}")


def _purpose(slug: str) -> str:
    return f"{_SCOPE} {slug}"


def _made(browser: str, what: str, state: str) -> str:
    """256 bits that only this browser's secret and this login make; 43 characters, as RFC 7636 §4.1 wants them."""
    return encode_base64url(hmac.digest(browser.encode("utf-8", "replace"), f"{what} {state}".encode(), "sha256"))
