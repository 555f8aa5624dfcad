"""The public face of a person who wants one: a did:web document under the mail domain, and names both ways."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from identity.did import self_contained, syntax, web
from identity.did.document import Document, Method, Purpose, Service
from identity.did.keys import Kind
from identity.did.syntax import Did
from node.base.address import Address, AddressError, parse_address
from node.store import accounts, domains, publications
from node.store.accounts import Account
from node.store.transaction import Reading

PATH = "people"


@dataclass(frozen=True, slots=True)
class Published:
    """A person who wants to be found.

    Attributes:
        account: whose.
        address: theirs, parsed.
        shown: subjects of the identities that may be seen.
    """

    account: Account
    address: Address
    shown: tuple[str, ...]

    @property
    def did(self) -> Did:
        """`did:web:example.org:people:ann`."""
        return person_did(self.address)

    @property
    def dids(self) -> tuple[str, ...]:
        """The DIDs among what is shown, wallets as did:pkh."""
        return tuple(did for subject in self.shown if (did := as_did(subject)))

    def document(self) -> Document:
        """The DID document: keys of the shown identities, the address as another name and as a service."""
        methods: list[Method] = []
        uses: dict[Purpose, tuple[str, ...]] = {}
        for number, text in enumerate(self.dids, 1):
            id = f"{self.did}#key-{number}"
            method = _method(text, id, str(self.did))
            if method is None:
                continue
            methods.append(method)
            encrypts = method.key is not None and method.key.kind is Kind.X25519
            for purpose in (Purpose.AGREEMENT,) if encrypts else (Purpose.AUTHENTICATION, Purpose.ASSERTION):
                uses[purpose] = (*uses.get(purpose, ()), id)
        names = (f"acct:{self.address}", f"mailto:{self.address}", *self.dids)
        mail = Service(f"{self.did}#mail", "Mail", f"mailto:{self.address}")
        return Document(str(self.did), tuple(methods), uses, names, (mail,))


def person_did(address: Address) -> Did:
    """The did:web of an address, whether or not it is published."""
    return web.write(address.domain, PATH, address.local.casefold())


def as_did(subject: str) -> str:
    """An identity as a DID: DIDs as they are, wallets as did:pkh; "" for what is neither."""
    if subject.startswith("did:"):
        return subject
    kind, _, rest = subject.partition(":")
    if kind == "eip155":  # bound without its chain: the same key on every chain, so the first stands for all
        return f"did:pkh:{subject}" if ":" in rest else f"did:pkh:eip155:1:{rest}"
    return f"did:pkh:solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:{rest}" if kind == "solana" else ""


def _method(text: str, id: str, controller: str) -> Method | None:
    """The key of a DID that carries it, under a name of our document; None for others, which are only named."""
    did = syntax.parse(text)
    found = self_contained.resolve(did) if isinstance(did, Did) else None
    if not isinstance(found, Document):
        return None
    (method,) = found.methods
    # A method is either a key or an account: did:pkh of Solana knows both, and the key says more.
    return Method(id, controller, method.key, "" if method.key else method.account)


def find(tx: Reading, address: Address) -> Published | None:
    """The person at an address, when they want to be found."""
    account = accounts.find(tx, address)
    return None if account is None else _published(tx, account)


def find_by(tx: Reading, resource: str) -> Published | None:
    """Whoever a URI names: `acct:`, `mailto:`, their did:web, or a DID that they show. Others' are not found."""
    scheme, _, rest = resource.partition(":")
    if scheme in ("acct", "mailto"):
        try:
            return find(tx, parse_address(rest))
        except AddressError:
            return None
    if scheme != "did":
        return None
    own = _own(resource)
    if own is not None:
        person = find(tx, own)
        return person if person is not None and str(person.did) == resource else None
    for subject in _subjects(resource):
        account = accounts.bound(tx, subject)
        person = None if account is None else _published(tx, account)
        if person is not None and subject in person.shown:
            return person
    return None


def _own(resource: str) -> Address | None:
    """The address behind a did:web as `person_did` makes them."""
    did = syntax.parse(resource)
    if not isinstance(did, Did) or did.method != "web":
        return None
    place = web.place(did)
    parts = did.id.split(":")
    if not isinstance(place, web.Place) or len(parts) != 3 or parts[1] != PATH or place.port != 443:
        return None
    return Address(unquote(parts[2]), parts[0])


def _subjects(resource: str) -> tuple[str, ...]:
    """Under which names an identity may be bound."""
    method, _, rest = resource.removeprefix("did:").partition(":")
    kind, _, account = rest.partition(":")
    if method != "pkh" or not account:
        return (resource,)
    plain = account.partition(":")[2]
    return (resource, accounts.canonical(rest), accounts.canonical(f"{kind}:{plain}"))


def _published(tx: Reading, account: Account) -> Published | None:
    wish = publications.get(tx, account.id)
    if wish is None:
        return None
    address = parse_address(account.address)
    return Published(account, address, wish.shown) if domains.exists(tx, address.domain) else None
