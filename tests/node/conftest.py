"""A database; daemons beside the node: the real ones from Debian, started on loopback, and servers that misbehave."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.store.database import Database
from node.store.migrate import migrate

START_SECONDS = 60

ANVIL_CHAIN = 31337

EICAR_MD5 = "44d88612fea8a8f36de82e1278abb02f"  # of the 68 octets every scanner knows


@dataclass(frozen=True)
class RunningDaemon:
    """Where a daemon of ours listens."""

    tcp: str
    unix: str


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest revision; migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "node.sqlite"
    migrate(path)
    return path


@pytest.fixture
async def database(tmp_path: Path, migrated: Path) -> AsyncIterator[Database]:
    """A database in a temporary folder, `node.sqlite`."""
    shutil.copy(migrated, tmp_path / "node.sqlite")
    async with Database.open(tmp_path / "node.sqlite") as opened:
        yield opened


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if not found:
        pytest.skip(f"{name} is not installed; on Debian tests/setup does it")
    return found


@contextmanager
def started(command: list[str], folder: Path, port: int, unix: Path) -> Iterator[RunningDaemon]:
    """The daemon, once both its places can be connected to; ended by its process id."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=folder)
    try:
        for _ in range(START_SECONDS * 20):
            if _listens(port, unix):
                break
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
                raise AssertionError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-3000:]}")
        else:
            raise AssertionError(f"{command[0]} does not listen:\n{log.read_text(errors='replace')[-3000:]}")
        yield RunningDaemon(f"127.0.0.1:{port}", str(unix))
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def _listens(port: int, unix: Path) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(unix))
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """ClamAV with a database of two signatures: the EICAR test file, and one whose name says that it is a guess."""
    path, folder, port = program("clamd"), tmp_path_factory.mktemp("clamd"), free_port()
    (folder / "db").mkdir()
    (folder / "db" / "test.hdb").write_text(f"{EICAR_MD5}:68:Eicar-Test\n")
    doubtful = b"an unwanted program, perhaps".hex()
    (folder / "db" / "test.ndb").write_text(f"PUA.Test.Unwanted:0:*:{doubtful}\n")
    unix = folder / "clamd.sock"
    settings = folder / "clamd.conf"
    settings.write_text(
        f"DatabaseDirectory {folder}/db\nLocalSocket {unix}\nTCPSocket {port}\nTCPAddr 127.0.0.1\n"
        "Foreground yes\nStreamMaxLength 2M\nMaxThreads 4\n"
    )
    with started([path, "-c", str(settings)], folder, port, unix) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def spamd() -> Iterator[RunningDaemon]:
    """SpamAssassin with Debian's own rules, those that need no network."""
    path = program("spamd")
    with tempfile.TemporaryDirectory(prefix="waxseal-spamd-") as name:
        yield from _spamd(path, Path(name), free_port())


def _spamd(path: str, folder: Path, port: int) -> Iterator[RunningDaemon]:
    folder.chmod(0o755)  # started by root it becomes nobody, who cannot look into pytest's folders
    site = folder / "site"
    site.mkdir()
    plugins = ("Check", "BodyEval", "HeaderEval", "RelayEval", "MIMEEval", "HTMLEval", "WLBLEval", "FreeMail")
    (site / "init.pre").write_text("".join(f"loadplugin Mail::SpamAssassin::Plugin::{name}\n" for name in plugins))
    (site / "local.cf").write_text("use_bayes 0\nskip_rbl_checks 1\ndns_available no\nscore RDNS_NONE 0\n")
    unix = folder / "spamd.sock"
    listen = ["--listen", f"127.0.0.1:{port}", "--listen", str(unix)]
    options = ["--local", "--nouser-config", "--max-children", "2", "--syslog", "stderr"]
    with started([path, *listen, *options, "--siteconfigpath", str(site)], folder, port, unix) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def rspamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """rspamd with its own rules and one of ours; without modules, which want the network."""
    path, folder, port = program("rspamd"), tmp_path_factory.mktemp("rspamd"), free_port()
    (folder / "plugins").mkdir()
    (folder / "tld").write_text("com\nnet\norg\nexample\ntest\n")
    unix = folder / "rspamd.sock"
    settings = folder / "rspamd.conf"
    settings.write_text(f"""
        options {{
            pidfile = "{folder}/pid"; url_tld = "{folder}/tld"; tempdir = "{folder}"; filters = "regexp";
            cache_file = "{folder}/symbols.cache"; hs_cache_dir = "{folder}/"; disable_hyperscan = true;
            control_socket = "{folder}/control.sock mode=0600"; gtube_patterns = "all";
            dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.05s; retransmits = 1; }}
        }}
        logging {{ type = "console"; level = "info"; }}
        worker "normal" {{ bind_socket = "127.0.0.1:{port}"; bind_socket = "{unix} mode=0600"; count = 1; }}
        lua = "/usr/share/rspamd/rules/rspamd.lua";
        actions {{ reject = 15; add_header = 6; greylist = 4; }}
        modules {{ path = "{folder}/plugins"; }}
        regexp {{ "TEST_LOTTERY" = {{ re = '/lottery/i{{body}}'; score = 7.5; }} }}
    """)
    command = [path, "-f", "-i", "-c", str(settings), f"--var=DBDIR={folder}", f"--var=RUNDIR={folder}"]
    with started(command, folder, port, unix) as daemon:
        yield daemon


@dataclass
class Misbehaving:
    """A server of one bad habit, and how often somebody came to it."""

    place: str
    visits: int = 0


Habit = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def _serving(habit: Habit) -> AsyncIterator[Misbehaving]:
    server = Misbehaving("")

    async def handle(stream: trio.SocketStream) -> None:
        server.visits += 1
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await habit(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        server.place = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield server
        nursery.cancel_scope.cancel()


@pytest.fixture
def serving() -> Callable[[Habit], AbstractAsyncContextManager[Misbehaving]]:
    """`async with serving(habit) as server`: a server on loopback that does to every client what `habit` does."""
    return _serving


@contextmanager
def _anvil(*options: str, port: int = 0) -> Iterator[str]:
    folder = Path(__file__).parents[2] / "node_modules" / "@foundry-rs"
    binary = next(iter(folder.glob("anvil-*/bin/anvil")), None)
    if binary is None:
        pytest.skip("anvil is not installed: run `npm install` (needs the npm registry once)")
    command = [str(binary), "--port", str(port), "--host", "127.0.0.1", "--chain-id", str(ANVIL_CHAIN), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        yield "http://" + next(line for line in lines if line.startswith("Listening on ")).split()[-1]
    finally:
        process.terminate()  # it writes its state, where it was told to keep one
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def anvil_with() -> Callable[..., AbstractContextManager[str]]:
    """`with anvil_with("--no-mining", port=...) as url`: an anvil of one's own, ended with the block."""
    return _anvil


@pytest.fixture(scope="module")
def anvil() -> Iterator[str]:
    """The URL of an anvil with nothing on it: an Ethereum chain of its own behind JSON-RPC."""
    with _anvil() as url:
        yield url


@pytest.fixture(scope="session")
def rpc() -> Callable[..., Any]:
    """`rpc(url, method, *params)`: one plain question to a chain on loopback, answered at once."""

    def ask(url: str, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as response:
            answer = json.load(response)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["result"]

    return ask


Change = Callable[[dict[str, Any], Any], Any]


@asynccontextmanager
async def _lying(url: str, change: Change) -> AsyncIterator[str]:
    async def serve(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            request = b""
            async for chunk in stream:
                request += chunk
                head, _, content = request.partition(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
                if not length or len(content) < int(length):
                    continue
                question = json.loads(content)
                answer = await trio.to_thread.run_sync(_forward, url, content)
                body = json.dumps(change(question, answer)).encode()
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                request = b""

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def _forward(url: str, content: bytes) -> Any:
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


@pytest.fixture
def lying() -> Callable[[str, Change], AbstractAsyncContextManager[str]]:
    """`async with lying(url, change) as false_url`: answers what `change(question, true_answer)` returns."""
    return _lying
