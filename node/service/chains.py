"""The chains of the settings: how each is anchored on, and how anything else is sent to one."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from node.anchor.journal import StoredJournal
from node.anchor.keys import LogKeys, load
from node.anchor.plan import Plan
from node.base.config import Settings
from node.base.config_anchor import GWEI, AnchorChain
from node.base.errors import ConfigError
from node.base.log import get_log
from node.net.chain import embedded
from node.net.chain.embedded import EmbeddedChain
from node.net.chain.fees import Cap
from node.net.chain.interface import Chain
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.sending import Rules
from node.net.chain.signer import CommandSigner, KeySigner, Signer
from node.net.chain.transaction import checksummed, raw_address
from node.service.folders import Folders
from node.store.database import Database

log = get_log(__name__)

EMBEDDED = f"eip155:{embedded.CHAIN_ID}"
EMBEDDED_ALERT_SECONDS = 600.0  # it takes milliseconds: whatever lasts so long is broken

_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})\s*\Z", re.ASCII)


def chain_plans(settings: Settings, folders: Folders, database: Database, keys: LogKeys) -> list[Plan]:
    """How each chain of the settings is anchored on; the embedded one first.

    A chain whose key cannot be used is left out, and the log says so: mail does not wait for it.
    """
    if not settings.anchor.enabled:
        return []
    plans = []
    if settings.anchor.chain == "embedded":
        open_embedded = partial(EmbeddedChain.open, folders.chain, keys.chain_key)
        plans.append(
            Plan(embedded.CHAIN_ID, keys.sender, open_embedded, alert_seconds=EMBEDDED_ALERT_SECONDS, own=True)
        )
    for name, chain in settings.anchor.chains.items():
        try:
            plans.append(_plan(name, chain, database, keys))
        except ConfigError as error:
            log.warning("chain.off", chain=name, problem=str(error))
    return plans


def _plan(name: str, chain: AnchorChain, database: Database, keys: LogKeys) -> Plan:
    chain_id, signer = number_of(name), signer_of(name, chain, keys)
    journal = StoredJournal(database, chain_id, signer.address)
    return Plan(
        chain_id=chain_id,
        sender=signer.address,
        open=partial(JsonRpcChain.open, chain.rpc, signer, chain_id, journal, rules_of(chain)),
        contract=contract_of(name, chain),
        every_seconds=chain.every_minutes * 60,
        every_leaves=chain.every_messages,
        confirmations=chain.needed,
        alert_seconds=chain.alert_hours * 3600,
        publish=chain.publish,
    )


@asynccontextmanager
async def open_for_sending(
    name: str, settings: Settings, folders: Folders, database: Database, keys: LogKeys
) -> AsyncIterator[Chain]:
    """A chain of the settings to send to, also beside a running node: both look into the same journal.

    Args:
        name: CAIP-2; the embedded chain's is `EMBEDDED`.

    Raises:
        ConfigError: it is not in the settings, or its key cannot be used.
        Temporary, Permanent: see `JsonRpcChain.open`.
    """
    if name == EMBEDDED:
        async with EmbeddedChain.open(folders.chain, keys.chain_key) as own:
            yield own
        return
    chain = named(settings, name)
    chain_id, signer = number_of(name), signer_of(name, chain, keys)
    journal = StoredJournal(database, chain_id, signer.address)
    async with JsonRpcChain.open(chain.rpc, signer, chain_id, journal, rules_of(chain)) as opened:
        yield opened


@asynccontextmanager
async def open_for_reading(name: str, settings: Settings, folders: Folders) -> AsyncIterator[Chain]:
    """A chain of the settings to read from, also beside a running node. Raises as `open_for_sending`."""
    if name == EMBEDDED:
        async with EmbeddedChain.open(folders.chain, None) as own:
            yield own
        return
    async with JsonRpcChain.open(named(settings, name).rpc, None, number_of(name)) as opened:
        yield opened


def named(settings: Settings, name: str) -> AnchorChain:
    """The settings of one chain.

    Raises:
        ConfigError: there are none.
    """
    if name not in settings.anchor.chains:
        known = ", ".join((EMBEDDED, *settings.anchor.chains))
        raise ConfigError(f'{name} is in no table [anchor.chains."{name}"] of the settings; known are {known}')
    return settings.anchor.chains[name]


def number_of(name: str) -> int:
    """The EIP-155 id in a CAIP-2 name of that kind."""
    return int(name.removeprefix("eip155:"))


def contract_of(name: str, chain: AnchorChain) -> str | None:
    """TreeHeads' address from the settings; None: the keeper's own."""
    return None if chain.contract == "deploy" else _address(name, "contract", chain.contract)


def rules_of(chain: AnchorChain) -> Rules:
    """How a chain is sent to."""
    cap = Cap(round(chain.max_fee_gwei * GWEI), round(chain.max_tip_gwei * GWEI))
    return Rules(cap, stuck_seconds=chain.stuck_seconds)


def signer_of(name: str, chain: AnchorChain, keys: LogKeys) -> Signer:
    """Who signs for a chain.

    Raises:
        ConfigError: the key is missing, readable by others, or no key. It is never repeated.
    """
    if chain.signer:
        return CommandSigner(tuple(chain.signer), _address(name, "account", chain.account))
    if chain.key_file:
        return KeySigner(_usable(name, load(chain.key_file)))
    if not chain.key_variable:
        return KeySigner(keys.chain_key)
    found = _KEY.match(os.environ.get(chain.key_variable, ""))
    if not found:
        raise ConfigError(
            f"the environment variable {chain.key_variable}, key of {name}, is not set, or holds no key: "
            "64 hexadecimal digits"
        )
    return KeySigner(_usable(name, bytes.fromhex(found[1])))


def _usable(name: str, key: bytes) -> bytes:
    try:
        KeySigner(key).address  # noqa: B018 - zero, and what is above the curve's order, is no key
    except ValueError:
        raise ConfigError(f"the key of {name} is no key of secp256k1") from None
    return key


def _address(name: str, what: str, text: str) -> str:
    found = checksummed(raw_address(text))
    if text not in {found, found.lower()}:
        raise ConfigError(f"the {what} of {name} has a typing error: {text} does not match its checksum (EIP-55)")
    return found
