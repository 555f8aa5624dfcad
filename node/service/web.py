"""The web application, told what it has to show."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from ipaddress import ip_network
from typing import Any

from node.anchor import published
from node.anchor.keys import load_or_create
from node.anchor.log import Log
from node.auth.contract_wallets import ContractWallets
from node.auth.oauth.provider import Provider
from node.base.address import parse_address
from node.directory.issuer import Issuer
from node.flow import receipt_letter
from node.servers.http.app import WebApp
from node.servers.http.gateway import Gateway
from node.servers.http.link_desk import LinkDesk
from node.servers.http.settings import LOOPBACK, MailServer, WebSettings
from node.service import receipts
from node.service.chains import EMBEDDED
from node.service.doors import Ports
from node.service.folders import Folders
from node.service.oidc import open_oidc
from node.service.rooms import Rooms
from node.service.witnessing import open_memory, open_witness, quorum_of
from node.store.accounts import Account
from node.store.transaction import Writing


def web_app(rooms: Rooms, ports: Ports, oauth: Provider | None = None) -> WebApp:
    """Pages and interfaces over these rooms, for a node that listens on these ports."""
    settings = rooms.settings
    local = is_local(rooms)
    quorum = quorum_of(settings)
    contracts = ContractWallets(settings.chains.rpc, settings.chains.deadline_seconds)
    web = WebSettings(
        domain=settings.hostname,
        origin=origin(rooms, ports),
        chain_ids=tuple(dict.fromkeys([*settings.wallet.chain_ids, *contracts.chain_ids])),
        solana_chains=tuple(settings.wallet.solana_chains),
        session_seconds=settings.wallet.session_hours * 3600,
        gate_seconds=settings.gates.ends_within_seconds / 3,
        mail_servers=_mail_servers("localhost" if local else settings.hostname, ports),
        log_origin=rooms.keys.origin,
        log_keys=tuple(map(str, rooms.keys.log_keys)),
        embedded_chain=EMBEDDED,
        # TLS ends at a proxy on this machine: believe what it says about who is asking.
        proxies=LOOPBACK if settings.http.origin.startswith("https://") and not settings.http.tls else frozenset(),
    )

    async def receipt(account: Account, sha256: bytes) -> Mapping[str, Any] | None:
        made = await rooms.database.read(partial(receipts.own, account=account, sha256=sha256, keys=rooms.keys))
        return None if made is None else made.model_dump(mode="json")

    async def mail_receipt(account: Account, sha256: bytes) -> bool:
        def work(tx: Writing) -> bool:
            made = receipts.own(tx, account=account, sha256=sha256, keys=rooms.keys)
            if made is None:
                return False
            reader = parse_address(account.address)
            receipt_letter.send(tx, made, settings.hostname, reader, log=Log(), time=int(time.time()))
            return True

        return await rooms.database.write(work)

    async def checkpoint() -> bytes | None:
        return await rooms.database.read(lambda tx: published.newest(tx, quorum, time.time()))

    return WebApp(
        rooms.database,
        rooms.gate,
        web,
        contracts=contracts,
        resolver=rooms.resolver,
        linked=rooms.linked,
        sealing=rooms.sealing,
        issuer=issuer_of(rooms.folders) if settings.did.publish else None,
        doorkeeper=rooms.doorkeeper,
        signup=settings.signup,
        receipt=receipt,
        mail_receipt=mail_receipt,
        checkpoint=checkpoint,
        witness=open_witness(settings, rooms.folders, rooms.database),
        memory=open_memory(settings, rooms.database, rooms.keys),
        oauth=oauth,
        oidc_providers=open_oidc(settings, web.origin),
        gateway=_gateway(rooms),
        links=_links(rooms),
    )


def _gateway(rooms: Rooms) -> Gateway | None:
    given = rooms.settings.gateway
    if not given.enabled:
        return None
    peers = tuple(ip_network(text) for text in given.peers)
    tokens = tuple(bytes.fromhex(text) for text in given.tokens_sha256)
    return Gateway(rooms.stores.local, given.public, peers, tokens)


def _links(rooms: Rooms) -> LinkDesk:
    """Links that were sent open also where none are made any more."""
    given = rooms.settings.links
    threshold = int(given.threshold_mib * (1 << 20))
    return LinkDesk(rooms.stores.blocks, given.enabled, frozenset(given.domains), threshold, given.days)


def issuer_of(folders: Folders) -> Issuer:
    """What signs in the name of the domains: `<data>/keys/issuer.key`, made at the first use.

    Raises:
        ConfigError: the key cannot be used.
    """
    return Issuer(load_or_create(folders.keys / "issuer.key"))


def is_local(rooms: Rooms) -> bool:
    """True when the pages are served to this machine alone, or to a proxy on it."""
    http = rooms.settings.http
    return http.listen[0].host in {"127.0.0.1", "::1"} if http.listen else True


def origin(rooms: Rooms, ports: Ports) -> str:
    """The address people type: as set, else made from hostname and port."""
    http = rooms.settings.http
    scheme = "https" if http.tls else "http"
    host = "localhost" if is_local(rooms) else rooms.settings.hostname
    return http.origin or f"{scheme}://{host}:{ports.http}"


def _mail_servers(host: str, ports: Ports) -> tuple[MailServer, ...]:
    offers = (
        ("Incoming (IMAP)", ports.imaps, "TLS"),
        ("Outgoing (SMTP)", ports.submissions, "TLS"),
        ("Incoming (IMAP)", ports.imap, "STARTTLS"),
        ("Outgoing (SMTP)", ports.submission, "STARTTLS"),
    )
    return tuple(MailServer(purpose, host, port, security) for purpose, port, security in offers if port)
