"""The panel as the settings want it: our own checks, the daemons beside them, and the language model behind them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import trio

from node.base.config import Settings
from node.base.config_opinions import Daemon, LanguageModel
from node.base.errors import ConfigError
from node.base.log import get_log
from node.checks.clamav import ClamAv
from node.checks.classifier import ContentClassifier
from node.checks.context import Surroundings
from node.checks.guard import Asks, External, Guard
from node.checks.language_model import NAME as LLM
from node.checks.language_model import SecondOpinion
from node.checks.loop import Loop
from node.checks.mailauth import MailAuthCheck
from node.checks.panel import ContentCheck, Panel, Review
from node.checks.rspamd import Rspamd
from node.checks.spamassassin import SpamAssassin
from node.checks.threat import ThreatReview
from node.net.breaker import Breaker
from node.net.chat import ChatClient
from node.net.clamd import ClamdClient
from node.net.dns_auth import DnsAuth, open_resolver
from node.net.rspamd import RspamdClient
from node.net.spamd import SpamdClient
from node.net.web_service import WebService
from node.store.database import Database

log = get_log(__name__)
MAX_KEY = 4096  # octets


@asynccontextmanager
async def open_panel(settings: Settings, classifier: ContentClassifier, database: Database) -> AsyncIterator[Panel]:
    """Everybody who is asked about mail. Nobody is asked, nor connected to, before the first message.

    Malware comes first, since its refusal says more than one for spam; then our own classifier, then the others.
    """
    checks: list[ContentCheck] = [Loop()]
    reviews: list[Review] = []
    arriving = None
    async with AsyncExitStack() as stack:
        if settings.mailauth.enabled:
            authentication = _authentication(settings, await stack.enter_async_context(_background()))
            checks.append(authentication)
            arriving = authentication.arriving
        if settings.clamav.enabled:
            clamav = ClamAv(settings.clamav, ClamdClient(settings.clamav.server))
            checks.append(_external(ClamAv.name, settings.clamav, clamav))
        checks.append(classifier)
        if settings.rspamd.enabled:
            service = await stack.enter_async_context(WebService.beside(settings.rspamd.server, "rspamd"))
            rspamd = Rspamd(settings.rspamd, RspamdClient(service), settings.hostname)
            checks.append(_external(Rspamd.name, settings.rspamd, rspamd))
        if settings.spamassassin.enabled:
            client = SpamdClient(settings.spamassassin.server)
            spamassassin = SpamAssassin(settings.spamassassin, client, settings.hostname)
            checks.append(_external(SpamAssassin.name, settings.spamassassin, spamassassin))
        if settings.language_model.enabled:
            reviews += await _second_opinion(settings.language_model, classifier, stack)
        if settings.threat.enabled:
            own = (settings.hostname, urlsplit(settings.http.origin).hostname or "")  # where people log in
            reviews.append(ThreatReview(settings.threat, Surroundings(own), database))
        yield Panel(checks, reviews, arriving)


@asynccontextmanager
async def _background() -> AsyncIterator[trio.Nursery]:
    """A nursery that ends with its user, whose error it hands on as it is: a nursery would wrap it in a group."""
    failed: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except Exception as error:  # noqa: BLE001 - raised again below
            failed = error
        nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed


def _authentication(settings: Settings, nursery: trio.Nursery) -> MailAuthCheck:
    wanted = settings.mailauth
    resolver = DnsAuth(open_resolver([(each.host, each.port) for each in wanted.name_servers]))
    return MailAuthCheck(resolver, settings.hostname, wanted.deadline_seconds, nursery=nursery)


def _external(name: str, settings: Daemon, asks: Asks) -> External:
    return External(asks, Guard(Breaker(name), settings.deadline_seconds, settings.connections))


async def _second_opinion(
    settings: LanguageModel, classifier: ContentClassifier, stack: AsyncExitStack
) -> list[Review]:
    try:
        key = api_key(settings)
    except ConfigError as error:  # no reason to keep the mail out
        log.warning("language_model.off", problem=str(error))
        return []
    opened = ChatClient.open(settings.endpoint, settings.model, settings.dialect, key)
    client = await stack.enter_async_context(opened)
    guard = Guard(Breaker(LLM), settings.deadline_seconds, settings.connections)
    return [SecondOpinion(settings, client, guard, lambda: classifier.junk_at)]


def api_key(settings: LanguageModel) -> str:
    """The key that the settings name, "" when they name none.

    Raises:
        ConfigError: it is not there, or is none. The text does not show it.
    """
    if settings.api_key_file:
        try:
            with settings.api_key_file.open("rb") as file:
                found = file.read(MAX_KEY).decode("ascii", "replace").partition("\n")[0].strip()
        except OSError as error:
            problem = f"cannot read language_model.api_key_file {settings.api_key_file}: {error.strerror}"
            raise ConfigError(problem) from None
    elif settings.api_key_variable:
        found = os.environ.get(settings.api_key_variable, "").strip()
    else:
        return ""
    if not found or not all("!" <= character <= "~" for character in found):
        raise ConfigError("the API key of language_model is empty or no key: look at its file or variable")
    return found
