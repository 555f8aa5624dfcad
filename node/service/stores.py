"""The block store as the settings have it: the own one, the places that keep replicas, the gateways."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from node.base.config_ipfs import Ipfs
from node.base.errors import ConfigError
from node.ipfs.blockstore import Blocks, LocalBlocks
from node.ipfs.daemon_blocks import DaemonBlocks
from node.ipfs.replication import Place, Policy
from node.ipfs.tiered import Source, TieredBlocks
from node.net.ipfs.gateway import Gateway
from node.net.ipfs.kubo import Kubo
from node.net.ipfs.pinning import PinningService

MAX_TOKEN = 16 << 10  # octets


@dataclass(frozen=True, slots=True)
class Stores:
    """What blocks are written to and read from.

    Attributes:
        local: the own store.
        blocks: what readers use: the own store first, then sources.
        kubos: every daemon, the one that is the own store included.
    """

    local: Blocks
    blocks: TieredBlocks
    kubos: tuple[Kubo, ...]
    pinning: tuple[PinningService, ...]
    gateways: tuple[Gateway, ...]
    places: tuple[Place, ...]
    policy: Policy

    @property
    def services(self) -> tuple[Kubo | PinningService, ...]:
        """Everybody who can say how it is."""
        return (*self.kubos, *self.pinning)


@asynccontextmanager
async def open_stores(settings: Ipfs, directory: Path) -> AsyncIterator[Stores]:
    """Open everything; nobody is asked anything yet.

    Args:
        directory: of the embedded store.

    Raises:
        ConfigError: a token file cannot be used.
    """
    seconds = settings.deadline_seconds
    async with AsyncExitStack() as stack:
        kubos: dict[str, Kubo] = {}
        for name, daemon in settings.kubo.items():
            token = _token(daemon.token_file) if daemon.token_file else ""
            opened = Kubo.open(daemon.url, f"kubo:{name}", token, seconds)
            kubos[f"kubo:{name}"] = await stack.enter_async_context(opened)
        services: list[PinningService] = []
        for name, service in settings.pinning.items():
            token = _token(service.token_file)
            asked = PinningService.open(service.url, f"pinning:{name}", token, origins=service.origins, seconds=seconds)
            services.append(await stack.enter_async_context(asked))
        gateways = [
            await stack.enter_async_context(Gateway.open(url, f"gateway:{number}", seconds))
            for number, url in enumerate(settings.gateways, 1)
        ]
        own = kubos.get(settings.store)
        local: Blocks = LocalBlocks(directory) if own is None else DaemonBlocks(own)
        others = [kubo for kubo in kubos.values() if kubo is not own]
        sources: list[Source] = [*kubos.values(), *gateways]  # the own daemon, too: here it may look for a block
        yield Stores(
            local=local,
            blocks=TieredBlocks(local, sources, keep=settings.keep_local),
            kubos=tuple(kubos.values()),
            pinning=tuple(services),
            gateways=tuple(gateways),
            places=(*others, *services),
            policy=Policy(settings.copies, settings.keep_local, settings.patrol_hours * 3600),
        )


def _token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            token = file.read(MAX_TOKEN + 1).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the token in {path}: {error}") from None
    if not token or len(token) > MAX_TOKEN or not token.isprintable() or " " in token:
        raise ConfigError(f"{path} holds no token: it is one line without spaces")
    return token
