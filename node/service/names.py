"""Who lives here, as the settings have it: the node's own directory, LDAP or SQL behind it, ENS in front."""

from __future__ import annotations

from collections.abc import Mapping

from node.base.config import Settings
from node.base.errors import ConfigError
from node.directory.mirror import MirroredDirectory
from node.directory.names import Names
from node.directory.names_first import NamesFirst
from node.directory.resolve import Directory, StoredDirectory
from node.net.chain.ens import EnsReader
from node.net.chain.reader import Reader
from node.net.ldap import LdapSource
from node.net.public_https import PublicHttps
from node.net.sql_directory import SqlSource
from node.store import ens_names
from node.store.database import Database


async def open_directory(settings: Settings, database: Database, readers: Mapping[str, Reader]) -> Directory:
    """The node's directory, with LDAP or SQL behind it and ENS in front of it where these are on.

    Raises:
        ConfigError: ENS is on, and nobody is named who answers for its chain; or LDAP or SQL is, and cannot be used.
    """
    stored = _without_names(settings, database)
    if not settings.ens.enabled:
        await database.write(ens_names.forget)  # what was looked up while it was on counts no more
        return stored
    reader = readers.get(settings.ens.chain)
    if reader is None:
        raise ConfigError(f"ens.enabled: name a server for {settings.ens.chain} in chains.rpc, or turn ENS off")
    gateways = PublicHttps() if settings.ens.offchain else None
    asker = EnsReader(reader, bytes.fromhex(settings.ens.registry[2:]), gateways)
    return NamesFirst(stored, Names(database, asker, settings.ens))


def _without_names(settings: Settings, database: Database) -> Directory:
    if settings.ldap.enabled and settings.sql_directory.enabled:
        raise ConfigError("ldap.enabled and sql_directory.enabled: choose one of them")
    if settings.ldap.enabled:
        return MirroredDirectory(database, LdapSource(settings.ldap), settings.ldap.fresh_seconds)
    if settings.sql_directory.enabled:
        return MirroredDirectory(database, SqlSource(settings.sql_directory), settings.sql_directory.fresh_seconds)
    return StoredDirectory(database)
