"""What `waxseal doctor` says about the programs that are asked for further opinions."""

from __future__ import annotations

import stat
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import trio

from node.base.config import Settings
from node.base.config_opinions import LanguageModel
from node.base.config_places import Place
from node.base.errors import WaxsealError
from node.net.chat import ChatClient
from node.net.clamd import ClamdClient
from node.net.rspamd import RspamdClient
from node.net.spamd import SpamdClient
from node.net.web_service import WebService
from node.service.judges import api_key

PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking one of them."""

    what: str
    answers: bool
    words: str


def ask_all(settings: Settings) -> Iterator[Answer]:
    """Ask each that is switched on whether it is there; no mail is sent."""
    for what, enabled, ask in (
        ("clamav", settings.clamav.enabled, lambda: _clamd(settings.clamav.server)),
        ("rspamd", settings.rspamd.enabled, lambda: _rspamd(settings.rspamd.server)),
        ("spamassassin", settings.spamassassin.enabled, lambda: _spamd(settings.spamassassin.server)),
        ("language model", settings.language_model.enabled, lambda: _model(settings.language_model)),
    ):
        if enabled:
            yield _answer(what, ask)
    if settings.language_model.enabled and _is_open_to_others(settings.language_model):
        yield Answer("language model", False, "its api_key_file can be read by everybody: chmod 600")


def _answer(what: str, ask: Callable[[], Awaitable[str]]) -> Answer:
    async def bounded() -> Answer:
        with trio.move_on_after(PATIENCE_SECONDS):
            try:
                return Answer(what, True, await ask())
            except (WaxsealError, OSError) as error:
                return Answer(what, False, f"{error}; mail flows without its opinion")
        return Answer(what, False, f"no answer in {PATIENCE_SECONDS:.0f} s; mail flows without its opinion")

    return trio.run(bounded)


async def _clamd(where: Place) -> str:
    return f"{await ClamdClient(where).version()} at {where}"


async def _rspamd(where: Place) -> str:
    async with WebService.beside(where, f"rspamd at {where}") as service:
        await RspamdClient(service).ping()
    return f"answers at {where}"


async def _spamd(where: Place) -> str:
    await SpamdClient(where).ping()
    return f"answers at {where}"


async def _model(settings: LanguageModel) -> str:
    opened = ChatClient.open(settings.endpoint, settings.model, settings.dialect, api_key(settings))
    async with opened as client:
        listed = settings.model.encode() in await client.models()
    return f"{settings.endpoint} answers" + ("" if listed else f", but does not list {settings.model}")


def _is_open_to_others(settings: LanguageModel) -> bool:
    file = settings.api_key_file
    return bool(file and file.is_file() and file.stat().st_mode & stat.S_IROTH)
