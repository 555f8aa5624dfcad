"""The OAuth provider, opened over the rooms of a node."""

from __future__ import annotations

from node.anchor.keys import load_or_create
from node.auth.oauth.keys import open_keys
from node.auth.oauth.plan import Plan
from node.auth.oauth.provider import Provider, open_provider
from node.base.config import Settings
from node.base.errors import ConfigError
from node.base.log import get_log
from node.service.folders import Folders
from node.store.database import Database
from node.store.oauth_clients import Client

log = get_log(__name__)

_NEAR = ("http://localhost:", "http://127.0.0.1:", "http://[::1]:")


def open_oauth(settings: Settings, folders: Folders, database: Database, origin: str) -> Provider | None:
    """The provider; None where it is switched off, or cannot be had: mail goes on without it.

    Args:
        origin: the address people type; tokens are bound to it.
    """
    told = settings.oauth
    if not told.enabled:
        return None
    if not origin.startswith(("https://", *_NEAR)):  # codes and tokens would be there for everybody to read
        log.warning("oauth.off", reason="http.origin is neither https:// nor on this machine")
        return None
    try:
        ring, secret = open_keys(folders.keys), load_or_create(folders.keys / "introspection.key")
    except ConfigError as error:
        log.error("oauth.off", reason=str(error))  # noqa: TRY400 - the reason says it all
        return None
    plan = Plan(
        database,
        ring,
        origin,
        clients={id: Client(id, id.capitalize(), tuple(uris)) for id, uris in told.clients.items()},
        registration=told.registration,
        max_clients=told.max_clients,
        access_seconds=told.access_minutes * 60,
        refresh_seconds=told.refresh_days * 86_400,
    )
    return open_provider(plan, secret.hex())
