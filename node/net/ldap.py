"""A directory in LDAP (RFC 4511), only read: one connection a question, bounded in time and number.

bonsai, the client of the extra `[ldap]`, is imported when it is first needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import trio

from node.base.config_ldap import Ldap
from node.base.errors import ConfigError, Temporary
from node.base.log import get_log
from node.net.listing_elsewhere import Listed

log = get_log(__name__)

AT_ONCE = 4  # connections
MAX_MEMBERS = 1000  # of a group
MAX_ADDRESSES = 100  # of a person
_SPECIAL = {ord(character): f"\\{ord(character):02x}" for character in "\\*()\0"}


class LdapSource:
    """Asks an LDAP server whose an address is.

    Raises:
        ConfigError: bonsai is not installed, or the password cannot be read.
    """

    def __init__(self, settings: Ldap) -> None:
        self._settings = settings
        self._turns = trio.CapacityLimiter(AT_ONCE)
        try:
            self._bonsai: Any = importlib.import_module("bonsai")
            connections: Any = importlib.import_module("bonsai.trio")
        except ImportError:
            raise ConfigError("ldap.enabled needs bonsai: install it with pip install 'waxseal[ldap]'") from None
        self._client = self._bonsai.LDAPClient(settings.url, settings.starttls)
        self._client.set_async_connection_class(connections.TrioLDAPConnection)
        self._client.set_ignore_referrals(True)
        if settings.ca is not None:
            self._client.set_ca_cert(str(settings.ca))
        if settings.bind_dn:
            self._client.set_credentials("SIMPLE", user=settings.bind_dn, password=_password(settings))

    async def find(self, address: str) -> Listed | None:
        """See `node.net.listing_elsewhere.Source`."""
        try:
            with trio.fail_after(self._settings.deadline_seconds):
                async with self._turns, self._client.connect(is_async=True) as connection:
                    return await self._ask(connection, address)
        except (self._bonsai.LDAPError, trio.TooSlowError, TimeoutError, OSError) as error:
            log.warning("ldap.away", reason=type(error).__name__)
            raise Temporary("the LDAP directory cannot be asked now") from None

    async def _ask(self, connection: Any, address: str) -> Listed | None:
        """A person of this address, else a group."""
        settings = self._settings
        wanted = [*settings.address_attributes, settings.name_attribute]
        for entry in await self._search(connection, settings.people_filter, address, wanted):
            found = _texts(entry, settings.address_attributes)[:MAX_ADDRESSES]
            if found:
                return Listed(tuple(found), next(iter(_texts(entry, [settings.name_attribute])), ""))
        wanted = [*settings.address_attributes, settings.name_attribute, settings.member_attribute]
        for entry in await self._search(connection, settings.group_filter, address, wanted):
            named = _texts(entry, [settings.member_attribute])
            if len(named) > MAX_MEMBERS:
                raise Temporary(f"the group {address} has more than {MAX_MEMBERS} members in LDAP")
            members = [member for name in named if (member := await self._member(connection, name))]
            return Listed((address,), next(iter(_texts(entry, [settings.name_attribute])), ""), tuple(members))
        return None

    async def _search(self, connection: Any, pattern: str, address: str, wanted: Sequence[str]) -> list[Any]:
        # RFC 4515 §3: what has a meaning in filters is escaped, so that an address is never a part of one.
        filter_ = pattern.replace("{address}", address.translate(_SPECIAL))
        found = await connection.search(
            self._settings.base, self._bonsai.LDAPSearchScope.SUB, filter_, list(wanted), sizelimit=2
        )
        return list(found)

    async def _member(self, connection: Any, name: str) -> str:
        """The address of a group's member, who is named by it or by a DN; "" for one that is gone."""
        if "=" not in name:
            return name
        attributes = self._settings.address_attributes
        try:
            found = await connection.search(
                name, self._bonsai.LDAPSearchScope.BASE, "(objectClass=*)", list(attributes)
            )
        except (self._bonsai.NoSuchObjectError, self._bonsai.InvalidDN):
            return ""
        return next((text for entry in found for text in _texts(entry, attributes)), "")


def _texts(entry: Any, attributes: Sequence[str]) -> list[str]:
    """Values, attribute by attribute; those of one have no order in LDAP, so they get one."""
    return [text for name in attributes for text in sorted(map(str, entry.get(name, ())))]


def _password(settings: Ldap) -> str:
    if settings.password_file is None:
        raise ConfigError("ldap.bind_dn needs ldap.password_file, the file with its password")
    try:
        return settings.password_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"ldap.password_file cannot be read: {error}") from None
