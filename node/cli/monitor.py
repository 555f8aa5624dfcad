"""`waxseal monitor`: follows other nodes' logs, and alarms when one of them tells two histories. Needs no node."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import trio
import typer
from prometheus_client import REGISTRY, write_to_textfile

from node.anchor import fork, registry
from node.anchor.cosignature import CosignatureKey
from node.anchor.findings import ALARMS, Finding, Kind, as_json
from node.anchor.log_source import LogSource
from node.anchor.monitor import AnchorPlace, Demands, LogMonitor
from node.anchor.monitor_state import LogFolder
from node.anchor.note import NoteError, NoteKey
from node.anchor.peers import Peer
from node.base.config_places import is_near
from node.base.errors import ConfigError, Permanent, Temporary
from node.base.log import configure, get_log
from node.net.chain.interface import Chain
from node.net.chain.quorum import open_quorums
from node.net.web_service import WebService

log = get_log(__name__)

ALARM, NO_EVIDENCE, UNREACHABLE, UNTIMELY = 1, 2, 3, 4  # exit codes
MAX_LOGS, MAX_PEERS = 100, 32
LOOK_SECONDS = 3600.0  # for one look at one log, its entries included
METRICS = ("waxseal_monitor_findings_total", "waxseal_monitored_size", "waxseal_monitored_forks")

_PLACE = re.compile(r"(?:([^\s=]+)=)?eip155:([1-9][0-9]{0,18}):(0x[0-9a-fA-F]{40}):(0x[0-9a-fA-F]{40})\Z")
_CONTRACT = re.compile(r"eip155:([1-9][0-9]{0,18})(?::(0x[0-9a-fA-F]{40}))?\Z")
_ACCOUNT = re.compile(r"(?:([^\s=]+)=)?(0x[0-9a-fA-F]{40})\Z")


@dataclass(frozen=True, slots=True)
class Watched:
    """One log to follow: where it is, its keys (all of one origin), its anchors, and who registers its keys."""

    url: str
    keys: tuple[NoteKey, ...]
    chain_id: int = 0
    contract: str = ""
    sender: str = ""
    account: str = ""

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.keys[0].name


@dataclass(frozen=True, slots=True)
class Plan:
    """The command line, read."""

    logs: tuple[Watched, ...]
    state: Path
    peers: tuple[str, ...]
    rpc: tuple[str, ...]
    registry: tuple[int, str]
    demands: Demands
    every: float
    once: bool
    as_json: bool
    metrics: Path | None


def monitor(
    logs: Annotated[
        list[str],
        typer.Argument(help="Logs: a log key (example.org/log+1a2b3c4d+AbC...), or URL#KEY.", metavar="LOG..."),
    ],
    state: Annotated[Path, typer.Option(help="Folder of what the monitor remembers.")] = Path("waxseal-monitor"),
    key: Annotated[list[str] | None, typer.Option(help="A further key of a log that changed its key.")] = None,
    peer: Annotated[list[str] | None, typer.Option(help="Address of a node to exchange checkpoints with.")] = None,
    anchor: Annotated[
        list[str] | None, typer.Option(help="[ORIGIN=]eip155:<chain>:<TreeHeads contract>:<keeper's account>.")
    ] = None,
    rpc: Annotated[list[str] | None, typer.Option(help="JSON-RPC server of a chain; several are asked alike.")] = None,
    registry_at: Annotated[
        str,
        typer.Option("--registry", help="Look up new keys of logs: eip155:1, or eip155:1:0x... for another contract."),
    ] = "",
    account: Annotated[
        list[str] | None, typer.Option(help="[ORIGIN=]0x...: who registers the log's keys; empty: who anchors it.")
    ] = None,
    witness: Annotated[list[str] | None, typer.Option(help="Key of a witness whose cosignature counts.")] = None,
    quorum: Annotated[int, typer.Option(min=0, help="How many of them must have cosigned.")] = 0,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Fetch all entries and build the tree anew.")] = False,
    grows_within: Annotated[float, typer.Option(min=0, help="Hours without growth that alarm; 0: none.")] = 0,
    anchored_within: Annotated[float, typer.Option(min=0, help="Hours without an anchor that alarm; 0: none.")] = 24,
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks.")] = 300,
    once: Annotated[bool, typer.Option("--once", help="Look once, for cron.")] = False,
    as_json_lines: Annotated[bool, typer.Option("--json", help="Findings as JSON, one line a look.")] = False,
    metrics_file: Annotated[Path | None, typer.Option(help="Write metrics there after each look.")] = None,
    check_evidence: Annotated[
        Path | None, typer.Option(help="Only check a file of evidence of a fork against the log's key.")
    ] = None,
) -> None:
    """Follow logs. Exit code 0: all is well; 1: alarm, such as a fork; 3: could not look; 4: not timely enough."""
    watched = _watched(logs, key or [], anchor or [], account or [])
    if check_evidence is not None:
        raise typer.Exit(_check(check_evidence, [one for each in watched for one in each.keys]))
    demands = Demands(
        rebuild=rebuild,
        witnesses=tuple(CosignatureKey.parse(text) for text in witness or []),
        quorum=quorum,
        grows_within=grows_within * 3600 or None,
        anchored_within=anchored_within * 3600 or None,
    )
    if quorum > len({one.name for one in demands.witnesses}):
        raise Permanent(f"--quorum {quorum} needs as many --witness keys of different names")
    peers = tuple(_address(url, "--peer") for url in peer or [])
    rpcs = tuple(_address(url, "--rpc") for url in rpc or [])
    if len(watched) > MAX_LOGS or len(peers) > MAX_PEERS:
        raise Permanent(f"one monitor follows at most {MAX_LOGS} logs, with {MAX_PEERS} peers")
    registry = _registry(registry_at, watched)
    if not rpcs and (registry[0] or any(one.contract for one in watched)):
        raise Permanent("--anchor and --registry need --rpc, a JSON-RPC server of that chain")
    configure()
    plan = Plan(watched, state, peers, rpcs, registry, demands, every, once, as_json_lines, metrics_file)
    raise typer.Exit(trio.run(_run, plan))


async def _run(plan: Plan) -> int:
    """Look once, or again and again until a signal; returns the exit code of the last look."""
    code = 0
    async with AsyncExitStack() as stack:
        monitors = [await _open(stack, one, plan) for one in plan.logs]
        async with trio.open_nursery() as nursery:
            if not plan.once:
                nursery.start_soon(_until_signal, nursery.cancel_scope)
            while True:
                code = await _look(monitors, plan)
                if plan.once:
                    break
                await trio.sleep(plan.every)
            nursery.cancel_scope.cancel()
    return code


async def _until_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


async def _look(monitors: list[LogMonitor], plan: Plan) -> int:
    found: list[Finding] = []
    for one in monitors:
        findings: tuple[Finding, ...] = ()
        with trio.move_on_after(LOOK_SECONDS) as looking:
            findings = await one.look()
        if looking.cancelled_caught:
            findings = (Finding(one.origin, Kind.UNREACHABLE, f"one look took more than {LOOK_SECONDS:.0f} s"),)
        if not plan.as_json:
            _tell(one, findings)
        found += findings
    if plan.as_json:
        typer.echo(as_json(found))
    if plan.metrics is not None:
        write_to_textfile(str(plan.metrics), REGISTRY.restricted_registry(METRICS))
    return _code(found)


def _tell(one: LogMonitor, findings: tuple[Finding, ...]) -> None:
    if not findings:
        typer.echo(f"{one.origin}: {one.size} entries, one history.")
    for finding in findings:
        mark = "ALARM, " if finding.kind in ALARMS else ""
        typer.echo(f"{finding.origin}: {mark}{finding.kind}: {finding.words}.")
        if finding.evidence is not None:
            typer.echo(f"    evidence: {finding.evidence}")


def _code(found: list[Finding]) -> int:
    kinds = {finding.kind for finding in found}
    if kinds & ALARMS:
        return ALARM
    if Kind.UNREACHABLE in kinds:
        return UNREACHABLE
    return UNTIMELY if kinds else 0


async def _open(stack: AsyncExitStack, watched: Watched, plan: Plan) -> LogMonitor:
    source = LogSource(await stack.enter_async_context(WebService.open(watched.url, "the log")))
    peers = [
        Peer(await stack.enter_async_context(WebService.open(url, "the peer")), urlsplit(url).netloc)
        for url in plan.peers
    ]
    place = None
    if watched.contract:
        place = AnchorPlace(watched.contract, watched.sender, lambda: _chain(plan.rpc, watched.chain_id))
    registered = partial(_registered, watched, plan) if plan.registry[0] else None
    folder = LogFolder(plan.state, watched.origin)
    return LogMonitor(watched.keys, source, folder, plan.demands, peers=peers, place=place, registered=registered)


async def _registered(watched: Watched, plan: Plan) -> NoteKey | None:
    """The key that the registry has in force for a log."""
    chain_id, contract = plan.registry
    async with _chain(plan.rpc, chain_id) as chain:
        found = await registry.lookup(chain, contract, watched.origin, account=watched.account or watched.sender)
    return NoteKey(watched.origin, found.key) if found is not None and found.key else None


@asynccontextmanager
async def _chain(rpc: tuple[str, ...], chain_id: int) -> AsyncIterator[Chain]:
    async with open_quorums(rpc, {chain_id}) as chains:
        if chain_id not in chains:
            raise Temporary(f"none of the --rpc servers answers for eip155:{chain_id}")
        yield chains[chain_id]


def _registry(text: str, watched: tuple[Watched, ...]) -> tuple[int, str]:
    """Chain id and contract of `--registry`; (0, "") without."""
    if not text:
        return 0, ""
    match = _CONTRACT.match(text)
    if not match:
        raise Permanent("--registry is eip155:1, or eip155:1:0x... where the contract has another address")
    # Anybody may register a key under any name: only the right account's word counts.
    if without := [one.origin for one in watched if not (one.account or one.sender)]:
        raise Permanent(f"--registry needs the account that registers the keys of {without[0]}: give --account")
    return int(match[1]), match[2] or registry.ADDRESS


def _watched(logs: list[str], keys: list[str], anchors: list[str], accounts: list[str]) -> tuple[Watched, ...]:
    """The logs of the command line.

    Raises:
        Permanent, NoteError: one of the arguments cannot be used.
    """
    found: dict[str, Watched] = {}
    for text in logs:
        address, _, named = text.rpartition("#") if "://" in text else ("", "", text)
        if "://" in text and not address:
            raise Permanent(f"{text[:100]} names no key: write URL#KEY, with the key from the log's operator")
        key = NoteKey.parse(named)
        url = _address(address or f"https://{key.name.partition('/')[0]}", "LOG")
        if key.name in found:
            raise Permanent(f"{key.name} is named twice: give a further key of the same log with --key")
        found[key.name] = Watched(url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/log", (key,))
    for text in keys:
        key = NoteKey.parse(text)
        if key.name not in found:
            raise Permanent(f"--key {key.name[:80]}+...: no such log is followed")
        found[key.name] = replace(found[key.name], keys=(*found[key.name].keys, key))
    for text in anchors:
        match = _PLACE.match(text)
        origin = (match[1] or next(iter(found))) if match else ""
        if not match or origin not in found or (not match[1] and len(found) > 1):
            raise Permanent(
                "--anchor is [ORIGIN=]eip155:1:0x<contract>:0x<account>; with several logs, name the origin"
            )
        found[origin] = replace(found[origin], chain_id=int(match[2]), contract=match[3], sender=match[4])
    for text in accounts:
        match = _ACCOUNT.match(text)
        origin = (match[1] or next(iter(found))) if match else ""
        if not match or origin not in found or (not match[1] and len(found) > 1):
            raise Permanent("--account is [ORIGIN=]0x<account>; with several logs, name the origin")
        found[origin] = replace(found[origin], account=match[2])
    return tuple(found.values())


def _address(url: str, option: str) -> str:
    """A web address; over plain http only where nobody is between."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or parts.username or parts.fragment or parts.query:
        # Not repeated: addresses of servers carry people's passwords and keys.
        raise Permanent(f"{option}: that is no address such as https://mx.example.org, without name, password or query")
    if parts.scheme == "http" and not is_near(host):
        raise Permanent(f"{option}: {host} is in another network: reach it over https:// only")
    return url


def _check(file: Path, keys: list[NoteKey]) -> int:
    try:
        with file.open("rb") as opened:
            evidence = fork.parse(opened.read(fork.MAX_OCTETS + 1))
        first, second = evidence.check(keys)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except NoteError as error:
        typer.echo(f"{file}: {error}.")
        return NO_EVIDENCE
    typer.echo(f"{file}: {first.origin} has signed two histories.")
    typer.echo(f"    {first.size} entries with the root {first.root.hex()}")
    typer.echo(f"    {second.size} entries, of which the first {first.size} have the root {evidence.root.hex()}")
    return ALARM
