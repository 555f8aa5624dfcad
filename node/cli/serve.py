"""`waxseal serve`: runs the node that the settings file describes."""

from __future__ import annotations

import signal
from pathlib import Path

import trio

from node.base.config import Settings
from node.base.log import configure
from node.base.memory import give_back_large
from node.cli.settings import ConfigOption, load_settings
from node.net.stream import Stop
from node.service.node import Prepare, Running, run_node


def serve(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Run the node until it is told to stop (SIGINT, SIGTERM)."""
    settings = load_settings(config)
    configure(settings.log.level, json=settings.log.json_lines)
    trio.run(run_until_signal, settings)


async def run_until_signal(
    settings: Settings,
    prepare: Prepare | None = None,
    task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a node; the first signal ends it in good order, a second one at once."""
    give_back_large()
    stop = Stop()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                seen = 0
                async for _ in signals:
                    seen += 1
                    stop.request()
                    if seen > 1:
                        nursery.cancel_scope.cancel()

            nursery.start_soon(listen)
            await run_node(settings, stop, prepare=prepare, task_status=task_status)
            nursery.cancel_scope.cancel()
