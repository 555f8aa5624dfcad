"""Every room of the node, built once and closed in reverse order. Nothing here listens yet."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network

from identity.credentials.verify import Verifier
from node.anchor.keeper import Keeper
from node.anchor.keys import LogKeys, load_or_create, open_keys
from node.anchor.log import Log
from node.anchor.publisher import Publisher
from node.auth.blocks import Blocks, Policy
from node.auth.brake import Brake
from node.auth.gate import Gate
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.auth.gates.evidence import KeptEvidence
from node.auth.guests import Guests
from node.auth.scram_login import ScramLogin
from node.auth.sealing import Sealing, has_old, seal_old
from node.base.config import Offload as OffloadSettings
from node.base.config import Settings
from node.base.config_logins import Logins
from node.checks.classifier import ContentClassifier
from node.checks.learned import Learned
from node.checks.panel import Panel
from node.directory.memberships import Memberships
from node.flow.premises import Premises
from node.ipfs.offload import Offload
from node.ipfs.replication import Replication
from node.ipfs.seal import Keys
from node.net.chain.did_registry import registries
from node.net.chain.reader import open_readers
from node.net.did_resolver import DidResolver
from node.net.linked_proofs import DidkitProofs
from node.net.public_https import PublicHttps
from node.service.chains import chain_plans
from node.service.folders import Folders
from node.service.judges import open_panel
from node.service.names import open_directory
from node.service.stores import Stores, open_stores
from node.store import incoming
from node.store.blobs import Blobs
from node.store.database import Database


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the servers and the listeners of the change feed work with."""

    settings: Settings
    folders: Folders
    database: Database
    blobs: Blobs
    gate: Gate
    blocks: Blocks
    scram: ScramLogin
    doorkeeper: Doorkeeper
    resolver: DidResolver
    linked: DidkitProofs
    sealing: Sealing
    guests: Guests
    premises: Premises
    classifier: ContentClassifier
    learned: Learned
    panel: Panel
    offload: Offload
    stores: Stores
    replication: Replication
    keys: LogKeys
    keeper: Keeper


@asynccontextmanager
async def open_rooms(settings: Settings) -> AsyncIterator[Rooms]:
    """Open the store and build everything on it.

    Raises:
        Temporary: the database cannot be opened now.
        ConfigError: a key file cannot be used.
    """
    folders = Folders(settings.data)
    folders.make()
    incoming.clear(folders.data)
    keys = open_keys(folders.keys, settings.hostname)
    classifier: ContentClassifier | None = None
    learned = Learned(lambda: classifier.junk_at if classifier else None)
    classifier = ContentClassifier(settings.classifier, learned if settings.learning.enabled else None)
    async with (
        Database.open(folders.database) as database,
        open_panel(settings, classifier, database) as panel,
        open_readers(settings.chains, settings.gates.fresh_seconds) as readers,
        open_stores(settings.ipfs, folders.blocks) as stores,
    ):
        offload = _offload(settings.offload, folders, database, stores)
        blobs = Blobs(database, folders.data, offload.parts)
        directory = await open_directory(settings, database, readers)
        premises = Premises(settings.hostname, database, blobs, directory, Log(), folders.data)
        resolver = DidResolver(
            PublicHttps() if settings.did.resolve_web else None, registries(readers, settings.did.registries)
        )
        linked = DidkitProofs()
        evidence = KeptEvidence(database, Verifier(resolver, resolver, linked), Memberships(database), time.time)
        doorkeeper = Doorkeeper(database, Evaluator(readers, evidence), settings.gates.grace_minutes * 60)
        blocks = Blocks(database, _policy(settings.logins))
        gate = Gate(database, doorkeeper, Brake(blocks))
        yield Rooms(
            settings=settings,
            folders=folders,
            database=database,
            blobs=blobs,
            gate=gate,
            blocks=blocks,
            scram=ScramLogin(database, gate),
            doorkeeper=doorkeeper,
            resolver=resolver,
            linked=linked,
            sealing=await _sealed(folders, database),
            guests=Guests(database, doorkeeper, settings.gates.ends_within_seconds),
            premises=premises,
            classifier=classifier,
            learned=learned,
            panel=panel,
            offload=offload,
            stores=stores,
            replication=_replication(database, stores, offload),
            keys=keys,
            keeper=_keeper(settings, folders, database, keys),
        )


def _offload(settings: OffloadSettings, folders: Folders, database: Database, stores: Stores) -> Offload:
    keys, threshold = Keys.open(folders.keys), settings.threshold_kib << 10
    return Offload(database, stores.blocks, keys, threshold, settings.archive_after_days)


def _replication(database: Database, stores: Stores, offload: Offload) -> Replication:
    return Replication(database, stores.blocks, stores.places, stores.policy, writing=offload.writing)


async def _sealed(folders: Folders, database: Database) -> Sealing:
    """What seals second factors; those from before there was a key are sealed now."""
    sealing = Sealing(load_or_create(folders.keys / "secrets.key"))
    if await database.read(has_old):
        await database.write(lambda tx: seal_old(tx, sealing))
    return sealing


def _policy(logins: Logins) -> Policy:
    return Policy(
        enabled=logins.block,
        failures=logins.failures,
        names=logins.names,
        first_seconds=logins.first_minutes * 60,
        longest_seconds=logins.longest_hours * 3600,
        exempt=tuple(ip_network(text) for text in logins.never_block),
    )


def _keeper(settings: Settings, folders: Folders, database: Database, keys: LogKeys) -> Keeper:
    plans, pace = chain_plans(settings, folders, database, keys), settings.anchor
    publish = Publisher(database, keys).publish
    return Keeper(database, keys, plans, pace.every_seconds, pace.every_messages, publish=publish)
