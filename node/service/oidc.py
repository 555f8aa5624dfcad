"""The outside OpenID providers of the settings, ready to be asked."""

from __future__ import annotations

from node.auth.oidc_provider import OidcProvider, Told
from node.base import config_oidc
from node.base.config import Settings
from node.base.log import get_log
from node.net.public_https import PublicHttps

log = get_log(__name__)

MAX_SECRET = 4096  # octets
_NEAR = ("http://localhost:", "http://127.0.0.1:", "http://[::1]:")


def open_oidc(settings: Settings, origin: str) -> tuple[OidcProvider, ...]:
    """Those that can be used; a provider whose secret cannot be read is left out, and mail goes on.

    Args:
        origin: the address people type; where providers send them back to.
    """
    told = settings.oidc.providers
    if told and not origin.startswith(("https://", *_NEAR)):  # codes would be there for everybody to read
        log.warning("oidc.off", reason="http.origin is neither https:// nor on this machine")
        return ()
    https = PublicHttps()
    return tuple(made for one in told if (made := _opened(one, https)) is not None)


def _opened(one: config_oidc.OidcProvider, https: PublicHttps) -> OidcProvider | None:
    secret = ""
    if one.client_secret_file is not None:
        try:
            with one.client_secret_file.open("rb") as file:
                secret = file.read(MAX_SECRET + 1).decode("ascii").strip()
        except (OSError, ValueError) as error:
            log.error("oidc.off", provider=one.name, reason=type(error).__name__)  # noqa: TRY400 - says it all
            return None
        if not 0 < len(secret) <= MAX_SECRET:
            log.error("oidc.off", provider=one.name, reason="client_secret_file is empty or too long")
            return None
    return OidcProvider(Told(one.name, one.slug, one.issuer, one.client_id, secret, one.allow_loopback), https)
