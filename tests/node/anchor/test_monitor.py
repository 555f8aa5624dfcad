"""A monitor over HTTP against logs that are honest, slow, broken, or lie: every lie is found, no honest log accused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from node.anchor import checkpoint, cosignature, fork, merkle, registry, tree_heads
from node.anchor.checkpoint import Checkpoint
from node.anchor.cosignature import CosignatureSigner
from node.anchor.findings import ALARMS, Finding, Kind
from node.anchor.log_source import LogSource
from node.anchor.monitor import AnchorPlace, Demands, LogMonitor
from node.anchor.monitor_state import LogFolder
from node.anchor.note import NoteKey, NoteSigner
from node.anchor.peers import Peer
from node.base.errors import ConfigError, Temporary
from node.net.chain.interface import Chain
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.web_service import WebService

pytestmark = pytest.mark.anyio

ORIGIN = "waxseal.test/log"
SIGNER = NoteSigner(ORIGIN, b"\x07" * 32)
WITNESS = CosignatureSigner("w.test/witness", b"\x01" * 32)
NOW = 1_763_676_000


class PublicLog:
    """A log as C2SP tlog-tiles has it, over real HTTP. What it serves can be bent by `bend(path, answer)`."""

    def __init__(self, entries: Sequence[str] = (), signer: NoteSigner = SIGNER) -> None:
        self.signer = signer
        self.entries: list[bytes] = []
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.asked: list[str] = []
        self.bend: Callable[[str, bytes | None], bytes | None] = lambda _path, answer: answer
        self.cosigners: list[CosignatureSigner] = []
        self.seen: dict[str, object] | None = None
        self.refusals = 0
        self.add(*entries)

    def add(self, *entries: str) -> None:
        for text in entries:
            entry = hashlib.sha256(text.encode()).digest()
            for level, index, value in merkle.appended(len(self.entries), merkle.leaf_hash(entry), self._read):
                self.nodes[level, index] = value
            self.entries.append(entry)

    def _read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def signed(self, size: int | None = None) -> str:
        size = len(self.entries) if size is None else size
        note = checkpoint.sign(Checkpoint(self.signer.name, size, merkle.root(size, self._read)), self.signer)
        text = note.partition("\n\n")[0] + "\n"
        return cosignature.with_lines(note, [one.cosign(text, NOW) for one in self.cosigners])

    def answer(self, path: str) -> bytes | None:
        if path == "/log/checkpoint":
            return self.signed().encode()
        if path.startswith("/log/seen"):
            return json.dumps(self.seen).encode() if self.seen else None
        rest = path.removeprefix("/log/tile/")
        kind, _, place = rest.partition("/")
        number, _, partial_width = place.partition(".p/")
        index = int(number.replace("x", "").replace("/", ""))
        level = 0 if kind == "entries" else int(kind)
        width = min(256, (len(self.entries) >> (8 * level)) - 256 * index)
        if width <= 0 or (int(partial_width) if partial_width else 256) != width:
            return None
        places = range(256 * index, 256 * index + width)
        if kind == "entries":
            return b"".join(len(self.entries[n]).to_bytes(2, "big") + self.entries[n] for n in places)
        return b"".join(self.nodes[8 * level, n] for n in places)

    async def handle(self, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            head = bytearray()
            while b"\r\n\r\n" not in head:
                piece = await stream.receive_some()
                if not piece:
                    return
                head += piece
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            body = self.bend(path, self.answer(path))
            status = b"200 OK" if body is not None else b"404 Not Found"
            if self.refusals:
                self.refusals -= 1
                status, body = b"429 Too Many Requests\r\nRetry-After: 1", b""
            if body is not None and body.startswith(b"REDIRECT "):
                status = b"302 Found\r\nLocation: " + body[9:]
            body = body or b""
            length = str(len(body)).encode()
            answer = b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: " + length + b"\r\n\r\n" + body
            await stream.send_all(answer)
            await stream.aclose()


@asynccontextmanager
async def watching(
    log: PublicLog,
    state: Path,
    demands: Demands | None = None,
    *,
    peers: Sequence[PublicLog] = (),
    place: AnchorPlace | None = None,
    registered: Callable[[], Awaitable[NoteKey | None]] | None = None,
    now: float = NOW,
) -> AsyncIterator[LogMonitor]:
    """A monitor of this log and these peers, each served on loopback."""
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:

        async def at(served: PublicLog) -> WebService:
            found = await nursery.start(partial(trio.serve_tcp, served.handle, 0, host="127.0.0.1"))
            port = found[0].socket.getsockname()[1]
            prefix = "/log" if served is log else ""
            return await stack.enter_async_context(WebService.open(f"http://127.0.0.1:{port}{prefix}", "the log"))

        source = LogSource(await at(log))
        asked = [Peer(await at(peer), "peer") for peer in peers]
        folder = LogFolder(state, ORIGIN)
        wanted = demands or Demands()
        more = {"place": place, "registered": registered, "clock": lambda: now}
        yield LogMonitor([SIGNER.key], source, folder, wanted, peers=asked, **more)  # type: ignore[arg-type]
        nursery.cancel_scope.cancel()


def kinds(findings: Sequence[Finding]) -> list[Kind]:
    return [finding.kind for finding in findings]


def numbers(first: int, stop: int, what: str = "entry") -> list[str]:
    return [f"{what} {n}" for n in range(first, stop)]


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize("steps", [(0, 1, 2, 3), (5, 5, 255, 256, 257), (300, 700, 66_000)])
async def test_an_honest_log_that_grows_is_never_accused(tmp_path: Path, steps: tuple[int, ...], rebuild: bool) -> None:
    log = PublicLog()
    for size in steps:
        log.add(*numbers(len(log.entries), size))
        async with watching(log, tmp_path, Demands(rebuild=rebuild)) as one:  # started anew each time
            assert await one.look() == ()
            assert one.size == size


async def test_only_the_tiles_that_a_proof_needs_are_fetched(tmp_path: Path) -> None:
    log = PublicLog(numbers(0, 66_000))
    async with watching(log, tmp_path) as one:
        await one.look()
        log.add(*numbers(66_000, 66_300))
        assert await one.look() == ()
    assert len([path for path in log.asked if "/tile/" in path]) <= 6


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize(("common", "first", "second"), [(0, 1, 1), (3, 7, 7), (3, 7, 20), (256, 300, 900), (6, 7, 8)])
async def test_a_forked_log_is_convicted(tmp_path: Path, common: int, first: int, second: int, rebuild: bool) -> None:
    true = PublicLog([*numbers(0, common), *numbers(common, first)])
    false = PublicLog([*numbers(0, common), *numbers(common, second, "false")])
    async with watching(true, tmp_path, Demands(rebuild=rebuild)) as one:
        assert await one.look() == ()
    async with watching(false, tmp_path, Demands(rebuild=rebuild)) as one:
        (found,) = await one.look()
        assert found.kind is Kind.FORK
        assert found.evidence
        assert found.evidence.is_file()
        seen, later = fork.parse(found.evidence.read_text()).check([SIGNER.key])
        assert (seen.size, later.size) == (first, second)
        assert one.size == first, "the history that was verified stays what later ones are held to"
        assert kinds(await one.look()) == [Kind.FORK], "it goes on alarming"
    async with watching(true, tmp_path) as one:
        assert kinds(await one.look()) == [Kind.FORK], "even when the log shows the old history again"


async def test_a_log_that_goes_back_to_another_history_is_convicted(tmp_path: Path) -> None:
    """The tree of before is gone from the log; the monitor that rebuilt it has it still."""
    true, false = PublicLog(numbers(0, 20)), PublicLog(numbers(0, 9, "false"))
    async with watching(true, tmp_path, Demands(rebuild=True)) as one:
        await one.look()
    async with watching(false, tmp_path, Demands(rebuild=True)) as one:
        (found,) = await one.look()
        assert found.kind is Kind.FORK
        assert found.evidence
        fork.parse(found.evidence.read_text()).check([SIGNER.key])


async def test_a_log_that_goes_backwards_is_an_alarm(tmp_path: Path) -> None:
    log, old = PublicLog(numbers(0, 20)), PublicLog(numbers(0, 9))
    async with watching(log, tmp_path) as one:
        await one.look()
    async with watching(old, tmp_path) as one:
        (found,) = await one.look()
        assert found.kind is Kind.BACKWARDS
        assert found.kind in ALARMS
        assert one.size == 20
    log.bend = lambda path, answer: old.signed().encode() if path == "/log/checkpoint" else answer
    async with watching(log, tmp_path) as one:
        (found,) = await one.look()
        assert "is the beginning of that" in found.words


async def test_two_views_of_one_log_are_found_by_gossip(tmp_path: Path) -> None:
    shown_to_us, shown_to_them = PublicLog(numbers(0, 9)), PublicLog(numbers(0, 9, "false"))
    peer = PublicLog()
    for size in (9, 5):  # the other view at our size, and an older one
        peer.seen = {"origin": ORIGIN, "checkpoints": [shown_to_them.signed(size)], "forks": []}
        async with watching(shown_to_us, tmp_path / str(size), peers=[peer]) as one:
            (found,) = await one.look()
            assert found.kind is Kind.FORK
            assert found.evidence
            fork.parse(found.evidence.read_text()).check([SIGNER.key])


async def test_a_larger_view_that_the_log_hides_from_us_is_told(tmp_path: Path) -> None:
    ours, theirs, peer = PublicLog(numbers(0, 9)), PublicLog(numbers(0, 12, "false")), PublicLog()
    peer.seen = {"origin": ORIGIN, "checkpoints": [theirs.signed()], "forks": []}
    async with watching(ours, tmp_path, peers=[peer]) as one:
        assert kinds(await one.look()) == [Kind.BEHIND]
        ours.add(*numbers(9, 30))  # once our view is larger, the other one is convicted by it
        (found,) = await one.look()
        assert found.kind is Kind.FORK


async def test_a_peer_s_evidence_is_taken_only_when_it_convicts(tmp_path: Path) -> None:
    one_view, other_view, peer = PublicLog(numbers(0, 9)), PublicLog(numbers(0, 9, "false")), PublicLog()
    found = fork.between(one_view.signed(), other_view.signed())
    assert found
    forged = PublicLog(numbers(0, 9, "forged"), NoteSigner(ORIGIN, b"\x08" * 32))
    no_fork = fork.between(forged.signed(), one_view.signed())
    assert no_fork
    for evidence, expected in ((no_fork, []), (found, [Kind.FORK])):
        peer.seen = {"origin": ORIGIN, "checkpoints": [forged.signed()], "forks": [json.loads(evidence.to_json())]}
        async with watching(one_view, tmp_path, peers=[peer]) as one:
            assert kinds(await one.look()) == expected


@pytest.mark.parametrize(
    "seen",
    [
        None,
        {"origin": "other.test/log", "checkpoints": [], "forks": []},
        {"origin": ORIGIN, "checkpoints": ["x"] * 33, "forks": []},
        {"origin": ORIGIN, "checkpoints": [], "forks": [{"version": "waxseal.fork/1"}]},
        {"origin": ORIGIN, "checkpoints": "x" * (1 << 20), "forks": []},
        {"origin": ORIGIN},
    ],
)
async def test_a_peer_that_talks_nonsense_accuses_nobody(tmp_path: Path, seen: dict[str, object] | None) -> None:
    log, peer = PublicLog(numbers(0, 9)), PublicLog()
    peer.seen = seen
    async with watching(log, tmp_path, peers=[peer]) as one:
        assert kinds(await one.look()) == [Kind.UNREACHABLE]
        assert one.size == 9


async def test_another_key_s_checkpoint_is_an_alarm(tmp_path: Path) -> None:
    async with watching(PublicLog(numbers(0, 3), NoteSigner(ORIGIN, b"\x08" * 32)), tmp_path) as one:
        assert kinds(await one.look()) == [Kind.UNSIGNED]
    async with watching(PublicLog(numbers(0, 3), NoteSigner("other.test/log", SIGNER.seed)), tmp_path) as one:
        assert kinds(await one.look()) == [Kind.UNSIGNED]
        assert one.size == 0


@pytest.mark.parametrize("kind", ["tile", "entries"])
async def test_hashes_or_entries_that_do_not_fit_the_checkpoint_are_an_alarm(tmp_path: Path, kind: str) -> None:
    log, demands = PublicLog(numbers(0, 5)), Demands(rebuild=kind == "entries")

    def bend(path: str, answer: bytes | None) -> bytes | None:
        wrong = f"/tile/{kind}/" in path or (kind == "tile" and "/tile/0/" in path)
        return answer[:-32] + bytes(32) if wrong and answer else answer

    async with watching(log, tmp_path, demands) as one:
        await one.look()
        log.add(*numbers(5, 12))
        log.bend = bend
        (found,) = await one.look()
        assert found.kind is Kind.INCONSISTENT
        assert found.evidence
        assert json.loads(found.evidence.read_text())["checkpoint"] == log.signed()
        assert one.size == 5
        log.bend = lambda _path, answer: answer
        assert await one.look() == (), "a fault that is mended is forgiven: it convicts nobody"
        assert one.size == 12


@pytest.mark.parametrize(
    "bad",
    [
        None,
        b"",
        b"\xff\xfe",
        b"<html>We are closed</html>",
        b"x" * (1 << 17),
        b"REDIRECT http://127.0.0.1:1/elsewhere",
        f"{ORIGIN}\n5\n".encode(),
        f"{ORIGIN}\n-5\nAAAA\n\nx".encode(),
    ],
)
@pytest.mark.parametrize("where", ["checkpoint", "tile"])
async def test_broken_answers_change_nothing(tmp_path: Path, bad: bytes | None, where: str) -> None:
    log = PublicLog(numbers(0, 5))
    async with watching(log, tmp_path) as one:
        await one.look()
        log.add(*numbers(5, 12))
        log.bend = lambda path, answer: bad if where in path else answer
        assert kinds(await one.look()) == [Kind.UNREACHABLE]
        assert one.size == 5
        log.bend = lambda _path, answer: answer
        assert await one.look() == ()
        assert one.size == 12


async def test_a_log_that_never_answers_holds_up_nothing_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.anchor.log_source.REQUEST_SECONDS", 0.05)

    class Silent(PublicLog):
        async def handle(self, stream: trio.SocketStream) -> None:
            await trio.sleep_forever()

    async with watching(Silent(), tmp_path) as one:
        (found,) = await one.look()
        assert found.kind is Kind.UNREACHABLE
        assert "no answer within" in found.words


async def test_a_log_that_asks_for_patience_gets_it(tmp_path: Path) -> None:
    log = PublicLog(numbers(0, 5))
    async with watching(log, tmp_path, Demands(rebuild=True)) as one:
        log.refusals = 1
        assert await one.look() == ()
        assert one.size == 5


async def test_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.anchor.log_source.PATIENCE_SECONDS", 0.5)
    log = PublicLog(numbers(0, 5))
    log.refusals = 1000
    async with watching(log, tmp_path) as one:
        (found,) = await one.look()
        assert found.kind is Kind.UNREACHABLE
        assert "429" in found.words


async def test_a_log_that_stops_growing_is_told(tmp_path: Path) -> None:
    log, demands = PublicLog(numbers(0, 5)), Demands(grows_within=3600)
    async with watching(log, tmp_path, demands) as one:
        assert await one.look() == ()
    async with watching(log, tmp_path, demands, now=NOW + 3601) as one:
        (found,) = await one.look()
        assert found.kind is Kind.STALE
    log.add("one more")
    async with watching(log, tmp_path, demands, now=NOW + 3602) as one:
        assert await one.look() == ()


async def test_too_few_witnesses_are_told(tmp_path: Path) -> None:
    log, demands = PublicLog(numbers(0, 5)), Demands(witnesses=(WITNESS.key,), quorum=1)
    async with watching(log, tmp_path, demands) as one:
        assert kinds(await one.look()) == [Kind.UNWITNESSED]
        log.cosigners = [CosignatureSigner(WITNESS.name, b"\x02" * 32)]  # another key under the same name
        assert kinds(await one.look()) == [Kind.UNWITNESSED]
        log.cosigners = [WITNESS]
        assert await one.look() == ()
    async with watching(log, tmp_path, demands, now=NOW - 3600) as one:  # the witness's clock is an hour ahead
        (found,) = await one.look()
        assert "in the future" in found.words


async def test_a_spoilt_memory_is_no_reason_to_trust_anew(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path, ORIGIN)
    (folder.path / "state.json").write_text("{")
    with pytest.raises(ConfigError, match="restore it"):
        folder.load()


def test_logs_of_like_names_have_folders_of_their_own(tmp_path: Path) -> None:
    names = ["a/b", "a_b", "a b", "../../x", ".", "A/B", "é" * 300]
    folders = {LogFolder(tmp_path, name).path for name in names}
    assert len(folders) == len(names)
    assert all(folder.parent == tmp_path for folder in folders)


# --- the chain --------------------------------------------------------------------------------------------------------

KEEPER = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # anvil's first, so public


class Anchored:
    """A TreeHeads contract of its own on anvil, and the keeper's hand on it."""

    def __init__(self, url: str, chain: JsonRpcChain, contract: str) -> None:
        self._chain = chain
        self.contract = contract
        self.url = url

    async def anchor(self, log: PublicLog, size: int) -> None:
        await tree_heads.anchor(self._chain, self.contract, size, checkpoint.read(log.signed(size)).root)

    def place(self, contract: str = "", chain_id: int = 31337) -> AnchorPlace:
        def connect() -> AbstractAsyncContextManager[Chain]:
            return JsonRpcChain.open(self.url, None, chain_id)

        assert self._chain.sender
        return AnchorPlace(contract or self.contract, self._chain.sender, connect)


@pytest.fixture
async def anchored(anvil: str) -> AsyncIterator[Anchored]:
    async with JsonRpcChain.open(anvil, KEEPER, 31337) as chain:
        yield Anchored(anvil, chain, await tree_heads.deploy(chain))


async def test_heads_on_the_chain_are_compared(tmp_path: Path, anchored: Anchored) -> None:
    log, demands = PublicLog(numbers(0, 5)), Demands(anchored_within=3600)
    async with watching(log, tmp_path, demands, place=anchored.place()) as one:
        assert await one.look() == ()  # not anchored yet, and not for long
        await anchored.anchor(log, 3)
        assert await one.look() == ()
        await anchored.anchor(log, 5)
        assert await one.look() == ()
    log.add(*numbers(5, 9))
    async with watching(log, tmp_path, demands, place=anchored.place(), now=NOW + 10) as one:
        assert await one.look() == ()
    async with watching(log, tmp_path, demands, place=anchored.place(), now=NOW + 3620) as one:
        (found,) = await one.look()
        assert found.kind is Kind.UNANCHORED
        assert found.words.startswith("4 entries have waited")
        await anchored.anchor(log, 9)
        assert await one.look() == ()


@pytest.mark.parametrize("size", [4, 9])
async def test_another_history_on_the_chain_is_an_alarm(tmp_path: Path, anchored: Anchored, size: int) -> None:
    log, false = PublicLog(numbers(0, 9)), PublicLog(numbers(0, 9, "false"))
    await anchored.anchor(false, size)
    async with watching(log, tmp_path, place=anchored.place()) as one:
        (found,) = await one.look()
    assert found.kind is Kind.ANCHOR
    assert found.evidence
    facts = json.loads(found.evidence.read_text())
    assert facts["size"] == size
    assert facts["root"] == checkpoint.read(log.signed(size)).root.hex()
    assert facts["chain_root"] == checkpoint.read(false.signed(size)).root.hex()


async def test_a_chain_that_knows_more_than_the_log_shows_is_told(tmp_path: Path, anchored: Anchored) -> None:
    log, larger = PublicLog(numbers(0, 9)), PublicLog(numbers(0, 12))
    await anchored.anchor(larger, 12)
    async with watching(log, tmp_path, place=anchored.place()) as one:
        assert kinds(await one.look()) == [Kind.BEHIND]


async def test_a_chain_that_cannot_be_asked_is_told_and_nothing_more(tmp_path: Path, anchored: Anchored) -> None:
    log = PublicLog(numbers(0, 9))
    nowhere = "0x" + "11" * 20
    for place in (anchored.place(nowhere), anchored.place(chain_id=1)):
        async with watching(log, tmp_path, place=place) as one:
            assert kinds(await one.look()) == [Kind.UNREACHABLE]
            assert one.size == 9


async def test_a_log_s_new_key_is_found_in_the_registry(tmp_path: Path, anvil: str) -> None:
    new, thief = NoteSigner(ORIGIN, b"\x08" * 32), NoteSigner(ORIGIN, b"\x09" * 32)
    log, rotated = PublicLog(numbers(0, 5)), PublicLog(numbers(0, 9), new)
    async with JsonRpcChain.open(anvil, KEEPER, 31337) as chain:
        await registry.CONTRACT.deploy(chain)
        await registry.register(chain, registry.ADDRESS, ORIGIN, SIGNER.key.public)

        async def registered() -> NoteKey | None:
            found = await registry.lookup(chain, registry.ADDRESS, ORIGIN, account=chain.sender)
            return NoteKey(ORIGIN, found.key) if found and found.key else None

        async with watching(log, tmp_path, registered=registered) as one:
            assert await one.look() == ()
        async with watching(rotated, tmp_path, registered=registered) as one:
            assert kinds(await one.look()) == [Kind.UNSIGNED], "not registered yet"
            await registry.rotate(chain, registry.ADDRESS, ORIGIN, SIGNER.key.public, new.key.public)
            assert await one.look() == ()
            assert one.size == 9
        async with watching(PublicLog(numbers(0, 12), thief), tmp_path, registered=registered) as one:
            assert kinds(await one.look()) == [Kind.UNSIGNED]

    async def away() -> NoteKey | None:
        raise Temporary("no server answers")

    async with watching(rotated, tmp_path, registered=away) as one:
        assert kinds(await one.look()) == [Kind.UNREACHABLE, Kind.UNSIGNED]
