"""`waxseal gate set|show|remove|test`."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from identity.credentials.verify import Verifier
from identity.ethereum import checksum_address, subject
from identity.gates.rule import Rule, RuleError, Token, leaves, parse_rule, write_rule
from node.anchor import audit, policy
from node.auth.gates.doorkeeper import explain, target_of
from node.auth.gates.evaluate import Evaluator, Judgement
from node.auth.gates.evidence import KeptEvidence
from node.auth.gates.holder import Holder, holder_of
from node.base.address import parse_address
from node.base.config import Settings
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, load_settings, read_store, with_database, write_store
from node.directory.memberships import Memberships
from node.directory.resolve import readers, resolve
from node.net.chain.did_registry import registries
from node.net.chain.reader import open_readers
from node.net.did_resolver import DidResolver
from node.net.linked_proofs import DidkitProofs
from node.net.public_https import PublicHttps
from node.store import accounts, domains, gates
from node.store.database import Database, Reading, Writing
from node.store.gates import StoredGate

app = typer.Typer(help="Token gates: mailboxes for who holds something (docs/gates.md).", no_args_is_help=True)


class Kind(StrEnum):
    """What a gate stands before."""

    LOGIN = "login"
    SIGNUP = "signup"
    SEND = "send"
    WRITE = "write"


class Others(StrEnum):
    """What becomes of mail from senders who do not meet the rule for writing."""

    FILTER = "filter"
    JUNK = "junk"
    REFUSE = "refuse"


class Revoke(StrEnum):
    """At which block losing a token counts."""

    FINALIZED = "finalized"
    LATEST = "latest"


TargetArgument = Annotated[str, typer.Argument(help="An address, or a domain for all its addresses without their own.")]
ForOption = Annotated[Kind, typer.Option("--for", help="What the gate stands before.")]
RULE = "A file with the rule (TOML or JSON), or the rule itself in JSON."


@app.command("set")
def set_(
    target: TargetArgument,
    rule: Annotated[str, typer.Argument(help=RULE)],
    kind: ForOption = Kind.LOGIN,
    revoke: Annotated[
        Revoke, typer.Option(help="latest: a token given away counts before that is final.")
    ] = Revoke.FINALIZED,
    others: Annotated[
        Others, typer.Option(help="With --for write: mail of others is filtered as usual, put into Junk, or refused.")
    ] = Others.FILTER,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Put a gate before a mailbox, in the place of the one before."""
    settings = load_settings(config)
    read, key = _rule(rule), target_of(target)
    if kind is Kind.SIGNUP and "@" in key:
        raise Permanent("a gate for signing up stands before a domain")

    def work(tx: Writing) -> None:
        if "@" not in key and not domains.exists(tx, key):
            raise Permanent(f"{key} is no domain of this node; first: waxseal domain add {key}")
        if "@" in key and not readers(resolve(tx, parse_address(key))):
            raise Permanent(
                f"{key} has no account, nor is it an alias or a group; `waxseal account list` shows who has one"
            )
        gates.put(tx, kind.value, key, write_rule(read), revoke.value, others=others.value)
        details = {"use": kind.value, "rule": write_rule(read), "revoke": revoke.value, "others": others.value}
        audit.record(tx, audit.Kind.GATE_SET, audit.OPERATOR, key, details)
        policy.refresh(tx)

    with_database(settings, lambda database: database.write(work))
    typer.echo(f"{key} opens ({kind.value}) to who meets: {write_rule(read)}")
    for chain in sorted({leaf.chain for leaf in leaves(read) if isinstance(leaf, Token)} - set(settings.chains.rpc)):
        typer.echo(f"but nobody can yet: the settings name no server for {chain} in chains.rpc", err=True)


@app.command()
def show(
    target: Annotated[str, typer.Argument(help="An address or domain; left out: all.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print gates, one a line: what for, target, when a loss counts, rule; for writing also what becomes of others."""
    key = target_of(target) if target else ""
    for gate in read_store(config, gates.listing):
        if key in ("", gate.target):
            others = [gate.others] if gate.use == "write" else []
            typer.echo("\t".join([gate.use, gate.target, gate.revoke, gate.rule, *others]))


@app.command()
def remove(
    target: TargetArgument,
    kind: ForOption = Kind.LOGIN,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Take a gate away: whoever has the credentials gets in."""
    key = target_of(target)
    use: gates.Use = kind.value

    def work(tx: Writing) -> bool:
        gone = gates.remove(tx, use, key)
        if gone:
            audit.record(tx, audit.Kind.GATE_REMOVED, audit.OPERATOR, key, {"use": use})
            policy.refresh(tx)
        return gone

    if not write_store(config, work):
        raise Permanent(f"{key} has no gate for {use}; `waxseal gate show` lists all")
    typer.echo(f"{key} has no gate for {use} any more")


@app.command("test")
def explain_(
    rule: Annotated[str, typer.Argument(metavar="RULE", help=f"{RULE[:-1]}; or an address or domain that has a gate.")],
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="An account's address, a wallet, or a DID.")],
    revoke: Annotated[Revoke, typer.Option(help="As for `set`; a gate that is set knows its own.")] = Revoke.FINALIZED,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Ask a rule for somebody and explain: kind of block, its number, answer, what was asked, what was found."""
    settings = load_settings(config)

    def query(tx: Reading) -> tuple[StoredGate | None, Holder]:
        return _set_gate(tx, rule), _holder(tx, account)

    gate, holder = with_database(settings, lambda database: database.read(query))
    read = parse_rule(gate.rule) if gate else _rule(rule)
    revoked = gate.revoke if gate else revoke.value
    judgement = with_database(settings, lambda database: _ask(settings, database, read, revoked, holder))
    for line in explain(judgement):
        typer.echo(line)
    typer.echo(f"{account}: {judgement.truth}")
    if judgement.truth != "yes":
        raise typer.Exit(1)


async def _ask(settings: Settings, database: Database, rule: Rule, revoke: str, holder: Holder) -> Judgement:
    https = PublicHttps() if settings.did.resolve_web else None
    async with open_readers(settings.chains, settings.gates.fresh_seconds) as readers:
        resolver = DidResolver(https, registries(readers, settings.did.registries))
        evidence = KeptEvidence(
            database, Verifier(resolver, resolver, DidkitProofs()), Memberships(database), time.time
        )
        return await Evaluator(readers, evidence).judge(rule, revoke, holder, time.time())


def _rule(text: str) -> Rule:
    """The rule in a file, or in the argument itself.

    Raises:
        Permanent: there is none, or it cannot be used.
    """
    try:
        return parse_rule(text if text.lstrip().startswith("{") else Path(text).read_text("utf-8"))
    except RuleError as error:
        raise Permanent(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(f"cannot read the rule {text[:80]}: {error}") from None


def _set_gate(tx: Reading, text: str) -> StoredGate | None:
    """The gate of an address or domain that the text names; None where it is a rule or a file of one."""
    if text.lstrip().startswith("{") or Path(text).is_file():
        return None
    key = target_of(text)
    found = next((gate for use in gates.USES if (gate := gates.get(tx, use, key))), None)
    if found is None:
        raise Permanent(f"{key} has no gate, and there is no such file; `waxseal gate show` lists all gates")
    return found


def _holder(tx: Reading, text: str) -> Holder:
    if "@" in text:
        account = accounts.find(tx, parse_address(text))
        if account is None:
            raise Permanent(f"{text} has no account; `waxseal account list` shows who has")
        return holder_of(tx, account.id)
    if text.startswith("did:"):
        return Holder(None, (text,))
    try:
        return Holder(None, (subject(bytes.fromhex(checksum_address(text)[2:])),))
    except ValueError as error:
        raise Permanent(str(error)) from None
