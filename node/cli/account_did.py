"""`waxseal account did bind|unbind|publish|withdraw|show|credential`."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from identity.did import ethr, self_contained, syntax, web
from identity.did.document import Purpose
from identity.did.syntax import Did
from identity.refusal import Refusal
from node.anchor import audit
from node.anchor.keys import load_or_create
from node.base.address import Address, parse_address
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, load_settings, read_store, with_database, write_store
from node.directory import person_did
from node.directory.issuer import DAYS, Issuer
from node.service.folders import Folders
from node.store import accounts, publications, web_sessions
from node.store.accounts import Account
from node.store.database import Reading, Writing

app = typer.Typer(help="DIDs that log in, a public document, and the domain's credential.", no_args_is_help=True)

AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="Whose account.")]


@app.command()
def bind(
    address: AddressArgument,
    dids: Annotated[list[str], typer.Argument(metavar="DID...", help="did:key, jwk, web, ethr or pkh.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let DIDs log in to an account; a did:pkh is the wallet that it names."""
    parsed = parse_address(address)
    subjects = list(dict.fromkeys(subject_of(text) for text in dids))

    def work(tx: Writing) -> None:
        account = _existing(tx, parsed)
        for subject in subjects:
            owner = accounts.bound(tx, subject)
            if owner is not None:
                raise Permanent(f"{subject} belongs to {owner.address} already")
            accounts.bind(tx, account.id, subject)
            audit.record(tx, audit.Kind.IDENTITY_BOUND, audit.OPERATOR, account.address, {"identity": subject})

    write_store(config, work)
    typer.echo(f"{', '.join(subjects)} may log in as {parsed}")


@app.command()
def unbind(
    address: AddressArgument,
    did: Annotated[str, typer.Argument(metavar="DID", help="The one that logs in no longer.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let a DID log in no longer, and end every browser session of the account."""
    parsed = parse_address(address)
    subject = subject_of(did)

    def work(tx: Writing) -> None:
        account = _existing(tx, parsed)
        if accounts.canonical(subject) not in accounts.identities(tx, account.id):
            raise Permanent(f"{subject} is not bound to {parsed}; `waxseal account list` shows what is")
        accounts.unbind(tx, account.id, subject)
        audit.record(tx, audit.Kind.IDENTITY_UNBOUND, audit.OPERATOR, account.address, {"identity": subject})
        web_sessions.remove_all(tx, account.id)  # one of them may have been opened with it

    write_store(config, work)
    typer.echo(f"{subject} logs in no longer as {parsed}")


def subject_of(text: str) -> str:
    """The name under which a DID is bound.

    Raises:
        Permanent: it is no DID that could ever log in here.
    """
    did = syntax.parse(text)
    if isinstance(did, Refusal):
        raise Permanent(did.words)
    if did.method == "web":
        place = web.place(did)
        if isinstance(place, Refusal):
            raise Permanent(place.words)
        return str(did)
    if did.method == "ethr":
        identity = ethr.parse(did)
        if isinstance(identity, Refusal):
            raise Permanent(identity.words)
        return str(did).lower()
    document = self_contained.resolve(did)
    if isinstance(document, Refusal):
        raise Permanent(document.words)
    if did.method == "pkh":
        chain, _, account = did.id.partition(":")
        return f"{chain}:{account.partition(':')[2]}".lower() if chain == "eip155" else f"{chain}:{account[33:]}"
    if not document.methods_for(Purpose.AUTHENTICATION):
        raise Permanent("this DID's key is for encryption only (X25519): it cannot sign a login")
    return str(did)


@app.command()
def publish(
    address: AddressArgument,
    show: Annotated[list[str], typer.Option("--show", help="A bound DID or wallet that may be seen; repeatable.")] = [],  # noqa: B006
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Serve a did:web document for somebody who wants one, with these identities and no others."""
    parsed = parse_address(address)
    settings = load_settings(config)

    def work(tx: Writing) -> None:
        account = _existing(tx, parsed)
        bound = accounts.identities(tx, account.id)
        named = {person_did.as_did(subject): subject for subject in bound} | {subject: subject for subject in bound}
        if unknown := [text for text in show if text not in named]:
            raise Permanent(f"{unknown[0]} is not bound to {parsed}; `waxseal account list` shows what is")
        publications.put(tx, account.id, tuple(named[text] for text in show), int(time.time()))
        audit.record(tx, audit.Kind.DID_PUBLISHED, audit.OPERATOR, account.address, {"shown": " ".join(show)})

    with_database(settings, lambda database: database.write(work))
    typer.echo(f"{parsed} is {person_did.person_did(parsed)}")
    if not settings.did.publish:
        typer.echo(
            "Nothing is served yet: set publish = true in the section [did] of the settings, and restart the node"
        )


@app.command()
def withdraw(address: AddressArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Serve somebody's document no longer."""
    parsed = parse_address(address)

    def work(tx: Writing) -> bool:
        account = _existing(tx, parsed)
        gone = publications.remove(tx, account.id)
        if gone:
            audit.record(tx, audit.Kind.DID_WITHDRAWN, audit.OPERATOR, account.address)
        return gone

    done = write_store(config, work)
    typer.echo(f"{parsed} publishes nothing any more" if done else f"{parsed} published nothing")


@app.command()
def show(address: AddressArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print somebody's document as it is served."""
    parsed = parse_address(address)

    def query(tx: Reading) -> person_did.Published:
        _existing(tx, parsed)
        found = person_did.find(tx, parsed)
        if found is None:
            raise Permanent(f"{parsed} publishes nothing; `waxseal account did publish` changes that")
        return found

    found = read_store(config, query)
    typer.echo(json.dumps(found.document().write(), indent=2))


@app.command()
def credential(
    address: AddressArgument,
    did: Annotated[str, typer.Argument(metavar="DID", help="A DID, or did:pkh of a wallet, of the account.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it is valid.")] = DAYS,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print a credential, signed by the address' domain, that this DID and this address belong together."""
    parsed = parse_address(address)
    settings = load_settings(config)
    named = syntax.parse(did)

    def query(tx: Reading) -> Account:
        account = _existing(tx, parsed)
        if did not in {person_did.as_did(subject) for subject in accounts.identities(tx, account.id)}:
            raise Permanent(f"{did} is not bound to {parsed}; `waxseal account list` shows what is")
        return account

    account = with_database(settings, lambda database: database.read(query))
    if not isinstance(named, Did):
        raise Permanent(named.words)
    issuer = Issuer(load_or_create(Folders(settings.data).keys / "issuer.key"))
    typer.echo(issuer.address_credential(parse_address(account.address), named, datetime.now(UTC), days))


def _existing(tx: Reading, address: Address) -> Account:
    account = accounts.find(tx, address)
    if account is None:
        raise Permanent(f"{address} has no account; `waxseal account list` shows who has")
    return account
