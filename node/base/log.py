"""The program's log: one event name and keyed values a line, JSON or plain, never a secret.

Ids of the connection and session at hand ride along by context variable (`bind`), so no call passes them on.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

bind = structlog.contextvars.bound_contextvars
"""Context manager: every line logged inside carries these keys."""

# A key by one of these names never reaches a sink, whoever logs it.
SECRET_KEYS = frozenset({"password", "secret", "token", "private_key", "authorization", "salt", "signature", "cookie"})


def get_log(name: str) -> Any:
    """The logger of a module; call it as `log.info("event", key=value)`."""
    return structlog.get_logger(name)


def hide_secrets(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace the value of any key named like a secret."""
    for key in SECRET_KEYS & event.keys():
        event[key] = "(hidden)"
    return event


def configure(level: str = "info", *, json: bool = True, stream: TextIO | None = None) -> None:
    """Set the process's log up once, at start.

    Args:
        level: "debug", "info", "warning" or "error".
        json: one JSON object a line when true, coloured text when false.
        stream: where lines go; standard error by default, so that standard output stays free for results.
    """
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer()
    if json:
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
