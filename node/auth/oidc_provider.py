"""An outside OpenID provider: what it tells about itself, its keys, and what it gives for a code."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode

import trio

import identity.refusal
from identity import oidc, strict_json
from identity.oauth.endpoint import Place, place
from identity.oidc import Expected, Facts
from node.auth.refusal import Reason, Refusal
from node.base.errors import Permanent, Temporary
from node.base.log import get_log
from node.net.did_resolver import Remembered
from node.net.public_https import Form, PublicHttps, ThisMachine

log = get_log(__name__)

_JSON = frozenset({"application/json"})
_KEYS = frozenset({"application/json", "application/jwk-set+json"})
DISCOVERY = "/.well-known/openid-configuration"
NEW_KEYS_SECONDS = 60.0  # a key id that nobody knows makes us ask for new keys no more often
_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """What the operator says about a provider.

    Attributes:
        name: on the button; `slug` in addresses.
        secret: "" for a public client.
        near: it may be on this machine, over plain http.
    """

    name: str
    slug: str
    issuer: str
    client_id: str
    secret: str = field(default="", repr=False)
    near: bool = False


class OidcProvider:
    """Asks one provider, and remembers its configuration and keys for a while.

    Args:
        https: fetches from the Internet; a provider near by is asked over plain http.
    """

    def __init__(self, told: Told, https: PublicHttps) -> None:
        self.told = told
        self._https = https
        self._near = ThisMachine()
        self._facts: Remembered[Facts] = Remembered(1)
        self._keys: Remembered[tuple[Mapping[str, Any], ...]] = Remembered(1)
        self._fresh_keys_at = -NEW_KEYS_SECONDS

    async def facts(self) -> Facts | Refusal:
        """Where it wants to be asked."""
        found = await self._facts.get("", self._read_facts)
        return self._away(found) if isinstance(found, identity.refusal.Refusal) else found

    async def _read_facts(self) -> Facts | identity.refusal.Refusal:
        told = self.told
        where = place(told.issuer.rstrip("/") + DISCOVERY, near=told.near)
        data = await self._fetch(where, _JSON)
        return data if not isinstance(data, bytes) else oidc.read_facts(data, told.issuer, near=told.near)

    async def subject(self, code: str, verifier: str, back: str, nonce: str, now: datetime) -> str | Refusal:
        """Who the provider says is there: the code for an id_token (OpenID Connect Core §3.1.3), and that verified.

        Args:
            back: the redirect URI the code came to.
            nonce: what the id_token has to carry.
        """
        facts = await self.facts()
        if isinstance(facts, Refusal):
            return facts
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        answer = await self._fetch(facts.token, _JSON, self._form(fields, facts))
        if not isinstance(answer, bytes):
            return self._away(answer)
        try:
            token = strict_json.loads(answer, oidc.MAX_DOCUMENT).get("id_token")
        except ValueError:
            token = None
        if not isinstance(token, str):
            return self._away(identity.refusal.Refusal(identity.refusal.Reason.MALFORMED, "it sends no id_token"))
        return await self._verified(token, facts, Expected(self.told.issuer, self.told.client_id, nonce), now)

    def _form(self, fields: Mapping[str, str], facts: Facts) -> Form:
        """RFC 6749 §2.3.1: the secret in the header, encoded as in a form, or in the form itself."""
        told = self.told
        if told.secret and not facts.secret_in_form:
            pair = f"{quote_plus(told.client_id)}:{quote_plus(told.secret)}"
            return Form(urlencode(fields).encode(), "Basic " + base64.b64encode(pair.encode()).decode())
        secret = {"client_secret": told.secret} if told.secret else {}
        return Form(urlencode({**fields, "client_id": told.client_id, **secret}).encode())

    async def _verified(self, token: str, facts: Facts, expected: Expected, now: datetime) -> str | Refusal:
        async def read_keys() -> tuple[Mapping[str, Any], ...] | identity.refusal.Refusal:
            data = await self._fetch(facts.keys, _KEYS)
            return data if not isinstance(data, bytes) else oidc.read_keys(data)

        keys = await self._keys.get("", read_keys)
        if isinstance(keys, identity.refusal.Refusal):
            return self._away(keys)
        found = oidc.verify(token, keys, expected, now)
        turned = isinstance(found, identity.refusal.Refusal) and found.reason is identity.refusal.Reason.WRONG_KEY
        if turned and trio.current_time() - self._fresh_keys_at >= NEW_KEYS_SECONDS:
            self._fresh_keys_at = trio.current_time()
            self._keys = Remembered(1)  # the provider has changed its keys
            keys = await self._keys.get("", read_keys)
            if isinstance(keys, identity.refusal.Refusal):
                return self._away(keys)
            found = oidc.verify(token, keys, expected, now)
        return Refusal(found.reason, False, found.words) if isinstance(found, identity.refusal.Refusal) else found

    async def _fetch(
        self, where: Place | None, kinds: frozenset[str], form: Form | None = None
    ) -> bytes | identity.refusal.Refusal:
        if where is None:
            return identity.refusal.Refusal(identity.refusal.Reason.UNRESOLVABLE, "its address is not usable")
        web = self._near if where.scheme == "http" else self._https
        try:
            return await web.fetch(where.host, where.port, where.path, kinds=kinds, limit=oidc.MAX_DOCUMENT, form=form)
        except (Permanent, Temporary) as error:
            return identity.refusal.Refusal(identity.refusal.Reason.UNRESOLVABLE, str(error))

    def _away(self, why: identity.refusal.Refusal) -> Refusal:
        """People are told to try again; what is wrong is for the operator, in the log."""
        log.warning("oidc provider does not serve", provider=self.told.name, reason=why.reason.value, words=why.words)
        words = f"{self.told.name} cannot be asked right now; try again in a minute, or log in another way"
        return Refusal(Reason.PROVIDER_AWAY, True, words, _RETRY_SECONDS)
