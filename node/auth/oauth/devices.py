"""The device flow: a device shows a code, its owner types it in where they are logged in (RFC 8628)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from identity.oauth import metadata, user_code
from identity.oauth.fault import Code, Fault
from node.auth.oauth.codes import FULL
from node.auth.oauth.issue import Issued, Refreshing, answer, new_refreshing, settle
from node.auth.oauth.plan import DEVICE_SECONDS, MAX_GRANTS, Plan, fingerprint, given, new_secret
from node.auth.refusal import Reason, Refusal
from node.auth.throttle import Pace, Throttle, network
from node.store import accounts, oauth, oauth_clients
from node.store.accounts import Account
from node.store.oauth_clients import Client, Device, Waiting
from node.store.transaction import Writing

EVERY_SECONDS = 5  # RFC 8628 §3.2
SLOWER_SECONDS = 5  # RFC 8628 §3.5: added with every slow_down
SLOWEST_SECONDS = 60
MAX_OPEN = 1000  # requests of the whole node: with so few of 20^8 codes in use, guessing stays hopeless

_UNKNOWN = Fault(Code.INVALID_GRANT, "the device code is unknown, used, or not for this client; start again")
_WRONG = Refusal(Reason.BAD_CREDENTIALS, False, "no device waits with this code; look at its screen again")


@dataclass(frozen=True, slots=True)
class Started:
    """What the device is told."""

    device_code: str
    code: str


class Devices:
    """Requests of devices, and what became of them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._begun = Throttle(Pace(free=20, first_seconds=2, longest_seconds=300))
        # RFC 8628 §5.1: 34.5 bits hold only as long as guessing is slow; by network and by account.
        self._guesses = Throttle(Pace(free=5))

    async def start(self, client: Client, scopes: frozenset[str], peer: str) -> dict[str, Any] | Fault:
        """Hand out both codes (RFC 8628 §3.2).

        Args:
            peer: network address.
        """
        if (wait := self._begun.wait(network(peer))) > 0:
            return Fault(Code.TEMPORARILY_UNAVAILABLE, "too many requests from your network", wait)
        self._begun.fail(network(peer))
        now, secret, code = self._plan.now, new_secret(), user_code.generate()
        device = Device(
            *(fingerprint(secret), code, client.id, client.name, scopes),
            *(now + DEVICE_SECONDS, EVERY_SECONDS, 0, Waiting.PENDING, None),
        )

        def add(tx: Writing) -> bool:
            oauth_clients.expire_devices(tx, now)
            if oauth_clients.count_devices(tx) >= MAX_OPEN or oauth_clients.by_user_code(tx, code, now) is not None:
                return False
            oauth_clients.add_device(tx, device)
            return True

        if not await self._plan.database.write(add):
            return Fault(Code.TEMPORARILY_UNAVAILABLE, "too many devices wait; try again in a minute", 60)
        page, shown = self._plan.issuer + metadata.DEVICE, user_code.show(code)
        return {
            "device_code": secret,
            "user_code": shown,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={shown}",
            "expires_in": DEVICE_SECONDS,
            "interval": EVERY_SECONDS,
        }

    async def look(self, typed: str, account: Account, peer: str) -> Device | Refusal:
        """The request that a person's code names. Wrong codes cost growing delays, by network and by account."""
        keys = (network(peer), f"account {account.id}")
        if (wait := max(self._guesses.wait(key) for key in keys)) > 0:
            words = f"too many wrong codes; wait {wait:.0f} seconds"
            return Refusal(Reason.TOO_MANY_FAILURES, True, words, wait)
        code, now = user_code.read(typed), self._plan.now
        found = None
        if code is not None:
            found = await self._plan.database.read(lambda tx: oauth_clients.by_user_code(tx, code, now))
        if found is None or found.state is not Waiting.PENDING:
            for key in keys:
                self._guesses.fail(key)
            return _WRONG
        return found

    async def decide(self, device: Device, account: Account, *, allowed: bool, auth_time: int) -> Fault | None:
        """Keep a person's word about a device they looked at; None when it is kept."""
        now = self._plan.now

        def work(tx: Writing) -> Fault | None:
            if not allowed:
                state, grant_id = Waiting.DENIED, None
            else:
                if oauth.count(tx, account.id, now) >= MAX_GRANTS:
                    return FULL
                named = (device.client_id, device.client_name)
                grant_id = oauth.add(
                    *(tx, account.id, named, device.scopes), auth_time=auth_time, now=now, expires=device.expires
                )
                state = Waiting.ALLOWED
                oauth_clients.mark_used(tx, device.client_id, now)
            if not oauth_clients.decide(tx, device.user_code, state, grant_id, now):
                if grant_id is not None:
                    oauth.end(tx, grant_id)
                return Fault(Code.EXPIRED_TOKEN, "the device's code is no longer good; start again on the device")
            if allowed:
                given(tx, account, (device.client_id, device.client_name), device.scopes, now)
            return None

        return await self._plan.database.write(work)

    async def poll(self, device_code: str, client_id: str) -> dict[str, Any] | Fault:
        """The device asks whether its owner has spoken (RFC 8628 §3.4)."""
        now, refreshing = self._plan.now, new_refreshing()
        sha256 = fingerprint(device_code)
        found = await self._plan.database.write(lambda tx: self._settle(tx, sha256, client_id, refreshing, now))
        return found if isinstance(found, Fault) else answer(self._plan, found, now)

    def _settle(self, tx: Writing, sha256: bytes, client_id: str, refreshing: Refreshing, now: int) -> Issued | Fault:
        device = oauth_clients.find_device(tx, sha256)
        if device is None or device.client_id != client_id:
            return _UNKNOWN
        if device.expires <= now:
            oauth_clients.remove_device(tx, sha256)
            return Fault(Code.EXPIRED_TOKEN, "nobody answered in time; start again")
        if device.state is Waiting.PENDING:
            return _not_yet(tx, device, now)
        oauth_clients.remove_device(tx, sha256)
        if device.state is Waiting.DENIED or device.grant_id is None:
            return Fault(Code.ACCESS_DENIED, "the person said no")
        grant = oauth.get(tx, device.grant_id, now)
        account = accounts.get(tx, grant.account_id) if grant else None
        return (
            _UNKNOWN
            if grant is None or account is None
            else settle(tx, self._plan, account, grant, refreshing, now=now)
        )


def _not_yet(tx: Writing, device: Device, now: int) -> Fault:
    if now - device.asked >= device.every:
        oauth_clients.device_asked(tx, device.sha256, now, device.every)
        return Fault(Code.AUTHORIZATION_PENDING, "the person has not answered yet")
    slower = min(device.every + SLOWER_SECONDS, SLOWEST_SECONDS)
    oauth_clients.device_asked(tx, device.sha256, now, slower)
    return Fault(Code.SLOW_DOWN, f"ask every {slower} seconds at most")
