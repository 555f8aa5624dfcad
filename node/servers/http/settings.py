"""What the pages are told about the node they speak for."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from identity.passkey import Site
from node.auth.wallet_proof import WalletSettings

LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})


@dataclass(frozen=True, slots=True)
class MailServer:
    """One line of what a mail client must be told.

    Attributes:
        purpose: "Incoming (IMAP)" or "Outgoing (SMTP)".
        security: "TLS" or "STARTTLS".
    """

    purpose: str
    host: str
    port: int
    security: str


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Settings of the web server.

    Attributes:
        domain: the mail domain people know this node by.
        origin: scheme and authority people type, without a slash: "https://mail.example.org". Logins are bound to it.
        chain_ids: EIP-155 chains a login may name; the first is used when a wallet is on another one.
        solana_chains: chains a Solana wallet's login may name; the first is used. Empty: none logs in.
        session_seconds: how long a browser stays logged in.
        gate_seconds: how long a token gate's yes counts in an open session.
        mail_servers: shown with a new app password.
        log_origin: name of the transparency log, as its checkpoints carry it.
        log_keys: its keys (name+id+key), the newest first; empty: there is no audit page.
        embedded_chain: CAIP-2 name of the node's own private chain.
        proxies: addresses of reverse proxies whose X-Forwarded-For is believed. Empty: nobody's.
        metrics_peers: who may read /metrics.
    """

    domain: str
    origin: str
    chain_ids: tuple[int, ...] = (1,)
    solana_chains: tuple[str, ...] = ("mainnet",)
    session_seconds: int = 12 * 3600
    gate_seconds: float = 20
    mail_servers: tuple[MailServer, ...] = ()
    log_origin: str = ""
    log_keys: tuple[str, ...] = ()
    embedded_chain: str = ""
    proxies: frozenset[str] = frozenset()
    metrics_peers: frozenset[str] = LOOPBACK

    @property
    def authority(self) -> str:
        """Host and port of the origin: the `domain` of EIP-4361, and the Host header we expect."""
        return self.origin.partition("://")[2]

    @property
    def is_secure(self) -> bool:
        """True when browsers reach us over https."""
        return self.origin.startswith("https://")

    @property
    def wallet(self) -> WalletSettings:
        """What a wallet's message must say."""
        chains = frozenset(self.chain_ids), frozenset(self.solana_chains)
        return WalletSettings(self.authority, f"{self.origin}/login", *chains)

    @property
    def passkeys(self) -> Site | None:
        """What passkeys are made for: the origin's host. None where browsers make none.

        That is everywhere but on https and on this very machine, and wherever the host is an address instead of a name
        (Web Authentication Level 3, §5.1.3; Secure Contexts, §3.1).
        """
        host = urlsplit(self.origin).hostname or ""
        if not self.is_secure and host != "localhost":
            return None
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return Site(host, self.origin)
        return None
