"""A node's place in the tests of several nodes: port and keys are there before it starts."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from node.anchor.cosignature import CosignatureSigner
from node.anchor.keys import load_or_create, open_keys
from node.base.config import Settings

PATIENCE_SECONDS = 60
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
Plan = Callable[..., Settings]


class Site:
    """A node's place before it is started: port and keys are known, so that another node can be told of them."""

    def __init__(self, folder: Path, name: str) -> None:
        self.hostname = f"{name}.example.test"
        self.data = folder / name
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_key = open_keys(self.data / "keys", self.hostname).log_key
        seed = load_or_create(self.data / "keys" / "witness.key")
        self.witness_key = CosignatureSigner(f"{self.hostname}/witness", seed).key

    def settings(self, plan: Plan, **witness: Any) -> Settings:
        http, anchor = {"listen": [f"127.0.0.1:{self.port}"]}, {"enabled": False, "every_seconds": 1}
        return plan(hostname=self.hostname, data=self.data, http=http, anchor=anchor, witness=witness)

    def read(self, path: str) -> str:
        """What a visitor gets."""
        with OPENER.open(f"{self.url}{path}", timeout=30) as response:
            return str(response.read().decode())

    async def published(self, wanted: Callable[[str], bool]) -> str:
        """The node's checkpoint, once it is as wanted."""
        with trio.fail_after(PATIENCE_SECONDS):
            while True:
                try:
                    text = await trio.to_thread.run_sync(self.read, "/log/checkpoint")
                except urllib.error.HTTPError as error:  # nothing was logged yet
                    error.close()
                    text = ""
                if text and wanted(text):
                    return text
                await trio.sleep(0.05)
