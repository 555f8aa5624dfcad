"""The web application: every address it answers stands in `ROUTES`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from identity.credentials.linked import Proofs
from identity.oauth import metadata
from node.anchor.witness import Memory, Witness
from node.auth.app_passwords import AppPasswords
from node.auth.challenges import LoginDesk
from node.auth.consent import Consent
from node.auth.contract_wallets import ContractWallets
from node.auth.did_login import DidLogin
from node.auth.gate import Gate
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.oauth.provider import Provider
from node.auth.oidc_login import OidcLogin
from node.auth.oidc_provider import OidcProvider
from node.auth.passkeys import Passkeys
from node.auth.password_hash import Hasher
from node.auth.password_login import PasswordLogin
from node.auth.sealing import Sealing
from node.auth.second_factors import SecondFactors
from node.auth.sessions import Sessions
from node.auth.signup import SignUp
from node.auth.wallet import WalletLogin
from node.auth.wallet_proof import WalletProofs
from node.base.config_names import Signup
from node.base.errors import Temporary
from node.base.log import get_log
from node.directory.issuer import Issuer
from node.net.did_resolver import DidResolver
from node.servers.http import (
    administration,
    app_passwords,
    audit,
    did_login,
    did_web,
    ipfs_gateway,
    links,
    log_tiles,
    oauth_authorize,
    oauth_device,
    oauth_facts,
    oauth_token,
    oidc,
    pages,
    passkeys,
    passwords,
    receipts,
    records,
    signup,
    siwe,
    status,
    unlock,
    witnessing,
)
from node.servers.http.gateway import Gateway
from node.servers.http.guard import Guard
from node.servers.http.house import Checkpoint, House, MailReceipt, Receipt
from node.servers.http.link_desk import LinkDesk
from node.servers.http.problem import BAD_REQUEST, BROKEN, METHOD, NOT_FOUND, SHORTAGE, TOO_LARGE, answer_problem
from node.servers.http.render import Templates
from node.servers.http.settings import WebSettings
from node.store.database import Database

log = get_log(__name__)

ROUTES = (
    Route("/", pages.landing),
    Route("/login", pages.login),
    Route("/signup", signup.page),
    Route("/signup/address", signup.address),
    Route("/signup/address", signup.create, methods=["POST"]),
    Route("/account", pages.account),
    Route("/account/unlock", unlock.page),
    Route("/static/{name}", pages.static),
    Route("/auth/siwe/nonce", siwe.nonce, methods=["POST"]),
    Route("/auth/siwe/verify", siwe.verify, methods=["POST"]),
    Route("/auth/signup/nonce", signup.nonce, methods=["POST"]),
    Route("/auth/signup/verify", signup.verify, methods=["POST"]),
    Route("/auth/did/nonce", did_login.nonce, methods=["POST"]),
    Route("/auth/did/verify", did_login.verify, methods=["POST"]),
    Route("/auth/passkey/options", passkeys.login_options, methods=["POST"]),
    Route("/auth/passkey/verify", passkeys.verify, methods=["POST"]),
    Route("/account/passkeys", passkeys.listing),
    Route("/account/passkeys", passkeys.add, methods=["POST"]),
    Route("/account/passkeys/options", passkeys.add_options, methods=["POST"]),
    Route("/account/passkeys/{id:int}/remove", passkeys.remove, methods=["POST"]),
    Route("/auth/password", passwords.log_in, methods=["POST"]),
    Route("/account/security", passwords.page),
    Route("/account/password", passwords.set_password, methods=["POST"]),
    Route("/account/totp", passwords.change_totp, methods=["POST"]),
    Route("/account/recovery-codes", passwords.new_codes, methods=["POST"]),
    Route("/auth/oidc/{name}", oidc.begin),
    Route("/auth/oidc/{name}/back", oidc.back),
    Route("/auth/unlock/nonce", unlock.nonce, methods=["POST"]),
    Route("/auth/unlock/verify", unlock.verify, methods=["POST"]),
    Route("/auth/logout", siwe.logout, methods=["POST"]),
    Route("/account/did", did_web.mine),
    Route("/account/did", did_web.publish, methods=["POST"]),
    Route("/account/did", did_web.withdraw, methods=["DELETE"]),
    Route("/account/did/credential", did_web.credential, methods=["POST"]),
    Route("/.well-known/did.json", did_web.domain_document),
    Route("/.well-known/webfinger", did_web.webfinger),
    Route("/people/{local}/did.json", did_web.person_document),
    Route("/administration", administration.page),
    Route("/administration/blocks", administration.unblock, methods=["POST"]),
    Route("/app-passwords", app_passwords.listing),
    Route("/app-passwords", app_passwords.create, methods=["POST"]),
    Route("/app-passwords/{id:int}", app_passwords.revoke, methods=["DELETE"]),
    Route("/app-passwords/{id:int}/revoke", app_passwords.revoke, methods=["POST"]),
    Route(metadata.AUTHORIZE, oauth_authorize.page),
    Route(metadata.AUTHORIZE, oauth_authorize.decide, methods=["POST"]),
    Route(metadata.DEVICE, oauth_device.page),
    Route(metadata.DEVICE, oauth_device.decide, methods=["POST"]),
    Route(metadata.DEVICE_START, oauth_token.device_authorization, methods=["POST"]),
    Route(metadata.TOKEN, oauth_token.token, methods=["POST"]),
    Route(metadata.REVOKE, oauth_token.revoke, methods=["POST"]),
    Route(metadata.REGISTER, oauth_token.register, methods=["POST"]),
    Route(metadata.INTROSPECT, oauth_facts.introspect, methods=["POST"]),
    Route(metadata.USERINFO, oauth_facts.userinfo, methods=["GET", "POST"]),
    Route(metadata.JWKS, oauth_facts.jwks),
    Route(metadata.DISCOVERY, oauth_facts.configuration),
    Route(metadata.SERVER, oauth_facts.configuration),
    Route("/account/clients/{id:int}/revoke", oauth_device.disconnect, methods=["POST"]),
    Route("/receipts", receipts.page),
    Route("/receipts/{sha256}", records.receipt),
    Route("/receipts/{sha256}/mail", receipts.mail, methods=["POST"]),
    Route("/audit", audit.page),
    Route("/log/checkpoint", records.checkpoint),
    Route("/log/tile/{path:path}", log_tiles.tile),
    Route("/log/seen", witnessing.seen),
    Route("/log/seen", witnessing.show, methods=["POST"]),
    Route("/add-checkpoint", witnessing.add_checkpoint, methods=["POST"]),
    Route("/ipfs/{path:path}", ipfs_gateway.block),
    Route("/link/{id}", links.page),
    Route("/link/{id}/download", links.begin, methods=["POST"]),
    Route("/link/{id}/leaf/{number:int}", links.leaf),
    Route("/account/links", links.mine),
    Route("/account/links", links.choose, methods=["POST"]),
    Route("/account/links/{id}/revoke", links.revoke, methods=["POST"]),
    Route("/healthz", status.healthz),
    Route("/metrics", status.metrics),
)


class WebApp:
    """The ASGI application.

    Args:
        database: people, sessions, app passwords.
        gate: the node's one door, shared with the other protocols.
        settings: what to tell people, and what logins are bound to.
        contracts: the chains asked about contract wallets; None asks none.
        resolver: finds the documents of DIDs that log in; None finds those that need no network.
        linked: checks embedded proofs of credentials; None refuses them.
        sealing: seals the secrets of authenticator apps; None with a key that ends with the process.
        issuer: signs in the name of the domains; None publishes nothing.
        doorkeeper: explains token gates; None shows none.
        signup: how people open mailboxes by themselves; None: they do not.
        receipt: makes a message's receipt for its owner; None leaves /receipts empty.
        mail_receipt: puts it into their inbox; None mails none.
        checkpoint: reads the log's latest checkpoint; None leaves /log empty.
        witness: cosigns other logs' checkpoints; None leaves /add-checkpoint empty.
        memory: what was seen of logs; None leaves /log/seen empty.
        oauth: gives tokens to mail clients; None leaves /oauth empty.
        gateway: gives blocks to peers; None leaves /ipfs empty.
        links: what attachments sent as links are read from; None leaves /link empty.
        oidc_providers: outside providers people may log in with.
        clock: unix seconds.
    """

    def __init__(
        self,
        database: Database,
        gate: Gate,
        settings: WebSettings,
        *,
        contracts: ContractWallets | None = None,
        resolver: DidResolver | None = None,
        linked: Proofs | None = None,
        sealing: Sealing | None = None,
        issuer: Issuer | None = None,
        doorkeeper: Doorkeeper | None = None,
        signup: Signup | None = None,
        receipt: Receipt | None = None,
        mail_receipt: MailReceipt | None = None,
        checkpoint: Checkpoint | None = None,
        witness: Witness | None = None,
        memory: Memory | None = None,
        oauth: Provider | None = None,
        oidc_providers: Sequence[OidcProvider] = (),
        gateway: Gateway | None = None,
        links: LinkDesk | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        sessions = _sessions(database, gate, settings, clock)
        hasher, sealing = Hasher(), sealing or Sealing()
        desk = LoginDesk(database, sessions, gate.brake.blocks, clock)
        proofs = WalletProofs(settings.wallet, contracts or ContractWallets({}), clock)
        app = Starlette(routes=list(ROUTES), exception_handlers=dict(HANDLERS))
        app.state.house = House(
            database=database,
            gate=gate,
            settings=settings,
            sessions=sessions,
            wallet=WalletLogin(desk, proofs),
            consent=Consent(database, proofs, settings.origin, clock=clock),
            did_login=DidLogin(desk, resolver or DidResolver(None), settings.origin, proofs=linked),
            passkeys=Passkeys(desk, settings.passkeys) if settings.passkeys else None,
            issuer=issuer,
            passwords=AppPasswords(database),
            password_login=PasswordLogin(database, sessions, gate, hasher, sealing=sealing, clock=clock),
            second_factors=SecondFactors(database, sessions, hasher, settings.domain, sealing=sealing, clock=clock),
            templates=Templates(settings),
            doorkeeper=doorkeeper,
            signup=SignUp(database, sessions, proofs, doorkeeper, settings=signup, origin=settings.origin, clock=clock)
            if signup and signup.enabled
            else None,
            receipt=receipt,
            mail_receipt=mail_receipt,
            checkpoint=checkpoint,
            witness=witness,
            memory=memory,
            oauth=oauth,
            gateway=gateway,
            links=links,
            oidc=OidcLogin(desk, oidc_providers, settings.origin) if oidc_providers else None,
        )
        self._guard = Guard(app, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._guard(scope, receive, send)


def _sessions(database: Database, gate: Gate, settings: WebSettings, clock: Callable[[], float]) -> Sessions:
    seconds, again = settings.session_seconds, settings.gate_seconds
    return Sessions(database, seconds=seconds, admit=gate.admit, again_seconds=again, clock=clock)


def _refused(request: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 500
    # Part of a body that is too large was left unread: what follows on this connection is no request.
    headers = {"connection": "close"} if code == TOO_LARGE.status else None
    return answer_problem(request, {404: NOT_FOUND, 405: METHOD, 413: TOO_LARGE}.get(code, BAD_REQUEST), headers)


def _short(request: Request, error: Exception) -> Response:
    log.warning("http request failed for now", path=request.url.path[:200], reason=str(error))
    return answer_problem(request, SHORTAGE, {"retry-after": "30"})


def _broken(request: Request, error: Exception) -> Response:
    log.error("http request crashed", path=request.url.path[:200], exc_info=error)
    return answer_problem(request, BROKEN)


HANDLERS: Mapping[Any, Any] = {HTTPException: _refused, Temporary: _short, Exception: _broken}
