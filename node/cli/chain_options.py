"""Which chain a command reads: one of the settings, or any one through servers that are named."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from node.base.errors import Permanent
from node.cli.settings import load_settings
from node.net.chain.interface import Chain
from node.net.chain.quorum import open_quorums
from node.service.chains import number_of, open_for_reading
from node.service.folders import Folders

ChainOption = Annotated[str, typer.Option("--chain", help="CAIP-2 name of a chain of the settings, like eip155:1.")]
RpcOption = Annotated[
    list[str] | None,
    typer.Option("--rpc", help="Ask these JSON-RPC servers, not the settings'; repeat: two thirds must agree."),
]


@asynccontextmanager
async def reading(chain: str, rpc: list[str], config: Path) -> AsyncIterator[Chain]:
    """The chain, to read from: through the servers in `rpc`, else as the settings say.

    Raises:
        Permanent: there is no such chain, there or in the settings.
    """
    if not re.fullmatch(r"eip155:[1-9][0-9]{0,18}", chain):
        raise Permanent(f"{chain[:40]!r} is no chain's name: it is like eip155:1")
    if not rpc:
        settings = load_settings(config)
        async with open_for_reading(chain, settings, Folders(settings.data)) as opened:
            yield opened
        return
    async with open_quorums(rpc, {number_of(chain)}) as quorums:
        if (quorum := quorums.get(number_of(chain))) is None:
            raise Permanent(f"none of the servers serves {chain}: name the right chain with --chain")
        yield quorum
