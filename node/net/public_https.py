"""One GET from a server that a stranger chose: over HTTPS, from a public address, bounded in size and time.

Whoever may name an address for us to fetch, will name ours (server-side request forgery). So a name is looked up once,
every address found has to be a public one, and the connection goes to the address that was checked, not to the name:
a second look-up could give another answer (DNS rebinding). The certificate is still the name's.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import httpx2 as httpx
import trio

from node.base.errors import Permanent, Temporary

SECONDS = 5.0  # for look-up, connection and answer together
MAX_ADDRESSES = 4  # of one name that are tried
AT_ONCE = 8  # fetches at a time; more wait, within their own seconds

IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# IANA's special-purpose registries, written out: what Python calls global changes with its version.
_V4 = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4"),
)
_NOT_PUBLIC_V4 = tuple(ipaddress.IPv4Network(text) for text in _V4)
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")  # all that is given out; mapped, NAT64 and local ones lie outside
# Teredo and other protocols, documentation (twice), 6to4: an IPv4 address of anybody's choice may be inside.
_NOT_PUBLIC_V6 = tuple(ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16"))


def is_public(address: IP) -> bool:
    """True for an address on the internet that any stranger could reach just as well."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is fetched, and what is accepted as it."""

    host: str
    port: int
    path: str
    kinds: frozenset[str]
    limit: int
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """What is posted instead of asking with GET.

    Attributes:
        content: application/x-www-form-urlencoded.
        authorization: of the header; "" for none.
    """

    content: bytes = field(repr=False)
    authorization: str = field(default="", repr=False)


class PublicHttps:
    """Fetches documents from servers that strangers name.

    Args:
        resolver: asks DNS; the system's name servers when None. Hosts files are not looked at.
        tls: verifies servers; the system's authorities when None.
        admits: which addresses may be connected to. Anything but `is_public` is for tests, and no setting reaches it.
    """

    def __init__(
        self,
        *,
        resolver: dns.asyncresolver.Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        admits: Callable[[IP], bool] = is_public,
    ) -> None:
        self._resolver = resolver
        self._tls = tls
        self._admits = admits
        self._limiter = trio.CapacityLimiter(AT_ONCE)
        self._scheme = "https"

    async def fetch(
        self, host: str, port: int, path: str, *, kinds: frozenset[str], limit: int, form: Form | None = None
    ) -> bytes:
        """The document at `https://host:port/path`.

        Args:
            host: a name in A-labels.
            port: 443, or one above 1023: the services below are nobody's web servers.
            path: percent-encoded, with its slash, and its query if there is one.
            kinds: media types that are accepted, in lower case.
            limit: octets at most.
            form: is posted; None gets.

        Raises:
            Temporary: no answer in time, or none that says yes.
            Permanent: the answer is one that is never accepted: an address that is not public, a redirect, another
                media type, too much.
        """
        if port != 443 and not 1024 <= port <= 65535:
            raise Permanent(f"nothing is fetched from port {port}")
        with trio.move_on_after(SECONDS):
            async with self._limiter:
                addresses = await self._addresses(host)
                return await self._from_any(addresses, _Wanted(host, port, path, kinds, limit, form))
        raise Temporary(f"{host} does not answer within {SECONDS:.0f} seconds")

    async def _addresses(self, host: str) -> Sequence[IP]:
        """Where the host is, looked up once; refused whole when one address is not public."""
        try:
            self._resolver = resolver = self._resolver or dns.asyncresolver.Resolver()
        except dns.exception.DNSException as error:
            raise Temporary(f"the system's name servers are not known: {error}") from None
        found: list[IP] = []
        name = dns.name.from_text(host)  # absolute: no search list makes another name of it
        for kind in ("AAAA", "A"):
            try:
                answer = await resolver.resolve(name, kind, lifetime=SECONDS)
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                continue
            except dns.exception.DNSException as error:
                raise Temporary(f"cannot look up {host}: {type(error).__name__}") from None
            found += [ipaddress.ip_address(record.address) for record in answer]
        if not found:
            raise Temporary(f"{host} has no address")
        if not all(self._admits(address) for address in found):
            raise Permanent(f"{host} does not lie at a public address")
        return found[:MAX_ADDRESSES]

    async def _from_any(self, addresses: Sequence[IP], wanted: _Wanted) -> bytes:
        for address in addresses:
            try:
                return await self._from(address, wanted)
            except httpx.ConnectError:
                continue
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Temporary(f"no answer from {wanted.host}: {type(error).__name__}") from None
        raise Temporary(f"{wanted.host} cannot be reached, or its certificate is not for this name")

    async def _from(self, address: IP, wanted: _Wanted) -> bytes:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        place = f"[{address}]" if address.version == 6 else str(address)
        name = wanted.host if wanted.port == 443 else f"{wanted.host}:{wanted.port}"
        headers = {"Host": name, "Accept": ", ".join(sorted(wanted.kinds)), "Accept-Encoding": "identity"}
        method, content = ("GET", None) if wanted.form is None else ("POST", wanted.form.content)
        if wanted.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            if wanted.form.authorization:
                headers["Authorization"] = wanted.form.authorization
        # A client for this request alone: a pool knows connections by address, and would hand the one that was
        # verified for one name to whoever asks for another name at the same address.
        async with httpx.AsyncClient(verify=self._tls, timeout=None, trust_env=False, follow_redirects=False) as client:
            url = f"{self._scheme}://{place}:{wanted.port}{wanted.path}"
            sni = {"sni_hostname": wanted.host}
            request = client.build_request(method, url, headers=headers, content=content, extensions=sni)
            response = await client.send(request, stream=True)
            try:
                _check(response, wanted)
                return await _bounded(response, wanted)
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    await response.aclose()


def _check(response: httpx.Response, wanted: _Wanted) -> None:
    host, status = wanted.host, response.status_code
    if 300 <= status < 400:  # it could lead anywhere, within our network too
        raise Permanent(f"{host} redirects; nothing is fetched from a second place")
    if status != 200:
        raise Temporary(f"{host} answers with HTTP status {status}")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in wanted.kinds:
        raise Permanent(f"{host} serves {kind[:40]!r}, which is not asked for")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Permanent(f"{host} encodes what was asked for plain")
    length = response.headers.get("Content-Length", "0")
    if not length.isdecimal() or len(length) > 18 or int(length) > wanted.limit:
        raise Permanent(f"{host} announces more than {wanted.limit} octets")


async def _bounded(response: httpx.Response, wanted: _Wanted) -> bytes:
    data = bytearray()
    with trio.CancelScope() as reading:  # breaking out of the loop would leave generators of the library unclosed
        async for piece in response.aiter_raw():
            data += piece
            if len(data) > wanted.limit:
                reading.cancel()
    if len(data) > wanted.limit:
        raise Permanent(f"{wanted.host} sends more than {wanted.limit} octets")
    return bytes(data)


class ThisMachine(PublicHttps):
    """The same over plain http from this machine alone: for a server that the operator names for a test."""

    def __init__(self) -> None:
        super().__init__()
        self._scheme = "http"

    async def _addresses(self, host: str) -> Sequence[IP]:
        if host not in {"localhost", "127.0.0.1"}:
            raise Permanent(f"{host} is not this machine")
        return [ipaddress.IPv4Address("127.0.0.1")]
