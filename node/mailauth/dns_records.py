"""The records that a mail domain wants in the DNS, as text for a zone file, and what differs from them there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from node.mailauth.dkim_key import KeyProblem, find_key
from node.mailauth.dkim_sign import SigningKey
from node.mailauth.resolver import DnsTemporary, NoSuchName, Resolver

STRING = 255  # octets of one string of a TXT record (RFC 1035 §3.3)


class State(StrEnum):
    """How a record stands."""

    FINE = "fine"
    MISSING = "missing"
    DIFFERS = "differs"
    UNKNOWN = "unknown"  # the DNS did not answer


@dataclass(frozen=True, slots=True)
class Record:
    """One wanted record.

    Attributes:
        name: absolute, with the last dot.
        kind: "MX", "TXT" or "A".
        value: of TXT: its text; of MX: preference and host; of A: "" where any address does.
        role: "mx", "spf", "dkim", "dmarc" or "host".
        why: for people.
        key: the one a DKIM record publishes.
    """

    name: str
    kind: str
    value: str
    role: str
    why: str
    key: SigningKey | None = None

    @property
    def line(self) -> str:
        """As in a zone file (RFC 1035 §5.1); a long text in several strings."""
        value = " ".join(f'"{part}"' for part in _strings(self.value)) if self.kind == "TXT" else self.value
        return f"{self.name} 3600 IN {self.kind} {value}"


@dataclass(frozen=True, slots=True)
class Checked:
    """A wanted record beside what the DNS says."""

    record: Record
    state: State
    found: tuple[str, ...] = ()


def wanted(domain: str, hostname: str, keys: Iterable[SigningKey]) -> list[Record]:
    """The records of one domain whose mail this node takes and sends.

    Args:
        domain, hostname: A-labels.
        keys: those whose records have to be there.
    """
    records = [
        Record(f"{domain}.", "MX", f"10 {hostname}.", "mx", "where others bring mail"),
        Record(f"{domain}.", "TXT", "v=spf1 mx -all", "spf", "who may send for the domain"),
    ]
    if hostname != domain:
        records.append(Record(f"{hostname}.", "TXT", "v=spf1 a -all", "spf", "the same for bounces (RFC 7208 §2.4)"))
    for key in keys:
        name = f"{key.selector}._domainkey.{domain}."
        records.append(Record(name, "TXT", key.record, "dkim", f"verifies our signatures ({key.algorithm})", key))
    policy = f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"
    why = "what becomes of forged mail; once reports are clean: p=quarantine, then p=reject"
    records.append(Record(f"_dmarc.{domain}.", "TXT", policy, "dmarc", why))
    return records


async def check(records: Sequence[Record], hostname: str, resolver: Resolver) -> list[Checked]:
    """What the DNS says of each record, and whether the host has an address at all."""
    found = [await _checked(record, resolver) for record in records]
    host = Record(f"{hostname}.", "A", "", "host", "the address that the MX record leads to")
    return [await _checked(host, resolver), *found]


async def _checked(record: Record, resolver: Resolver) -> Checked:
    try:
        return await _CHECKS[record.role](record, resolver)
    except NoSuchName:
        return Checked(record, State.MISSING)
    except DnsTemporary as error:
        return Checked(record, State.UNKNOWN, (str(error),))


async def _host(record: Record, resolver: Resolver) -> Checked:
    found = (*await resolver.a(record.name), *await resolver.aaaa(record.name))
    return Checked(record, State.FINE if found else State.MISSING, found)


async def _mx(record: Record, resolver: Resolver) -> Checked:
    found = await resolver.mx(record.name)
    host = record.value.partition(" ")[2].removesuffix(".")
    is_named = any(name.lower().removesuffix(".") == host for _, name in found)
    state = State.FINE if is_named else State.DIFFERS if found else State.MISSING
    return Checked(record, state, tuple(f"{preference} {name}" for preference, name in found))


async def _spf(record: Record, resolver: Resolver) -> Checked:
    """Fine where the record says what is wanted and perhaps more; two of them are an error (RFC 7208 §3.2)."""
    found = _texts(await resolver.txt(record.name), "v=spf1")
    if not found:
        return Checked(record, State.MISSING)
    terms, needed = set(found[0].lower().split()), {term for term in record.value.split() if term != "-all"}
    return Checked(record, State.FINE if len(found) == 1 and needed <= terms else State.DIFFERS, found)


async def _dkim(record: Record, resolver: Resolver) -> Checked:
    texts = await resolver.txt(record.name)
    found = tuple(text.decode("utf-8", "replace") for text in texts)
    if not found:
        return Checked(record, State.MISSING)
    assert record.key is not None
    try:
        published = await find_key(resolver, record.key.domain, record.key.selector)
    except KeyProblem as problem:
        return Checked(record, State.DIFFERS, (str(problem), *found))
    is_ours = published.public == record.key.private.public_key()
    return Checked(record, State.FINE if is_ours else State.DIFFERS, found)


async def _dmarc(record: Record, resolver: Resolver) -> Checked:
    """Any policy is fine, for it is the owner's; two are none (RFC 7489 §6.6.3)."""
    found = _texts(await resolver.txt(record.name), "v=DMARC1")
    state = State.FINE if len(found) == 1 else State.DIFFERS if found else State.MISSING
    return Checked(record, state, found)


_CHECKS: dict[str, Callable[[Record, Resolver], Awaitable[Checked]]] = {
    "host": _host,
    "mx": _mx,
    "spf": _spf,
    "dkim": _dkim,
    "dmarc": _dmarc,
}


def _texts(records: Iterable[bytes], version: str) -> tuple[str, ...]:
    """The TXT records of one kind."""
    texts = (record.decode("utf-8", "replace") for record in records)
    return tuple(text for text in texts if re.split(r"[\s;]", text, maxsplit=1)[0].lower() == version.lower())


def _strings(text: str) -> list[str]:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return [quoted[at : at + STRING] for at in range(0, len(quoted), STRING)] or [""]
