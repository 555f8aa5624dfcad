"""What a domain says of its log's account, in DNS: the one thing about a registration that no chain can know.

    _waxseal.mx.example.org. TXT "v=waxseal1; account=eip155:1:0x..."

says: whatever that account has registered in the `Registry` of that chain (CAIP-2) for `mx.example.org/log` is ours.
Several records name several accounts or chains; the account is the one under which the log was registered, and stays
when the registration is handed over. It convinces whoever trusts the domain's DNS: the answer is marked when a
validating resolver vouches for it (DNSSEC, RFC 4035 §3.2.3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.rdatatype
import dns.resolver

from node.base.address import AddressError, normalize_domain
from node.base.errors import Temporary
from node.net.chain.transaction import checksummed, raw_address

LABEL = "_waxseal"
VERSION = "v=waxseal1"
SECONDS = 10.0
MAX_RECORDS = 20

_ACCOUNT = re.compile(r"account=eip155:([1-9][0-9]{0,18}):(0x[0-9a-fA-F]{40})\Z")


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """An account on a chain: its EIP-155 id, and the address, EIP-55."""

    chain: int
    address: str

    def __str__(self) -> str:
        return f"eip155:{self.chain}:{self.address}"  # CAIP-10


@dataclass(frozen=True, slots=True)
class Word:
    """What a domain says.

    Attributes:
        accounts: whose registrations it stands by; none: it says nothing.
        vouched: the resolver has checked the answer's signatures. Believe that only of a resolver of your own.
    """

    accounts: tuple[Account, ...]
    vouched: bool

    def on(self, chain: int) -> tuple[str, ...]:
        """The addresses on one chain."""
        return tuple(account.address for account in self.accounts if account.chain == chain)


def record(host: str, account: Account) -> str:
    """The line for the domain's zone file."""
    return f'{LABEL}.{host}. TXT "{VERSION}; account={account}"'


def parse(text: str) -> Account | None:
    """One record's text; None when it is not one of ours, is misspelled, or says anything more."""
    version, separator, rest = text.partition(";")
    match = _ACCOUNT.match(rest.strip(" "))
    if version.strip(" ") != VERSION or not separator or match is None:
        return None
    return Account(int(match[1]), checksummed(raw_address(match[2])))


def system_resolver() -> dns.asyncresolver.Resolver:
    """One that asks the name servers of this machine's settings. Raises `dns.exception.DNSException` without any."""
    return dns.asyncresolver.Resolver()


async def look_up(origin: str, resolver: dns.asyncresolver.Resolver | None = None) -> Word:
    """What the domain of a log says of its account.

    Args:
        origin: the log's; its domain is what stands before the first slash.
        resolver: the system's when None.

    Raises:
        AddressError: the origin begins with no domain.
        Temporary: the name server does not answer, or fails.
    """
    host = normalize_domain(origin.partition("/")[0])
    if host.startswith("["):
        raise AddressError(f"{host} is an address, not a domain: nobody says anything about its log")
    try:
        resolver = resolver or system_resolver()
        resolver.use_edns(0, dns.flags.DO, 1232)
        resolver.flags = dns.flags.RD | dns.flags.AD
        name = dns.name.from_text(f"{LABEL}.{host}")  # absolute: no search list makes another name of it
        answer = await resolver.resolve(name, dns.rdatatype.TXT, lifetime=SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return Word((), vouched=False)
    except dns.exception.DNSException as error:
        raise Temporary(f"cannot look up {LABEL}.{host}: {type(error).__name__}") from None
    texts = [b"".join(entry.strings).decode("ascii", "replace") for entry in list(answer)[:MAX_RECORDS]]
    accounts = tuple(sorted({account for text in texts if (account := parse(text))}))
    return Word(accounts, vouched=bool(answer.response.flags & dns.flags.AD))
