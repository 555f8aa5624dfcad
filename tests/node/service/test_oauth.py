"""Mail clients log in with OAuth: authlib's client, imaplib and smtplib against a running node."""

from __future__ import annotations

import base64
import imaplib
import json
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct
from joserfc import jwt
from joserfc.jwk import KeySet

from node.base.address import parse_address
from node.service.node import Running
from node.store import accounts, security_events
from node.store.transaction import Writing

from .conftest import ANN, House, OpenNode, Plan

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::authlib.deprecate.AuthlibDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KEY = Wallet.from_key(b"\x01" * 32)
BACK = "http://127.0.0.1:7777/back"
VERIFIER = "a-verifier-of-enough-letters-for-the-standard-0123"
SCOPE = "openid email imap smtp offline_access"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "input" and found.get("type") == "hidden":
            self.fields[found["name"] or ""] = found["value"] or ""


def fields_of(page: str) -> dict[str, str]:
    form = _Form()
    form.feed(page)
    return form.fields


@dataclass
class Person:
    """Ann, her browser, and the node she looks at. Everything here blocks."""

    running: Running
    browser: requests.Session = field(default_factory=requests.Session)

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.running.ports.http}"

    def facts(self) -> dict[str, Any]:
        return dict(requests.get(self.origin + "/.well-known/oauth-authorization-server", timeout=30).json())

    def register(self) -> str:
        said = {"client_name": "Bird", "redirect_uris": ["http://127.0.0.1/back"]}
        made = requests.post(self.facts()["registration_endpoint"], json=said, timeout=30)
        assert made.status_code == 201
        return str(made.json()["client_id"])

    def log_in(self) -> str:
        """As the login page's script does it; returns where it leads."""
        asked = self.browser.post(
            self.origin + "/auth/siwe/nonce", json={"address": KEY.address.lower(), "chain_id": 1}, timeout=30
        )
        text = asked.json()["message"]
        signature = "0x" + bytes(KEY.sign_message(encode_defunct(text=text)).signature).hex()
        sent = {"message": text, "signature": signature}
        answer = self.browser.post(self.origin + "/auth/siwe/verify", json=sent, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["location"])

    def post(self, path: str, fields: dict[str, str], **headers: str) -> requests.Response:
        return self.browser.post(self.origin + path, data=fields, headers=headers, allow_redirects=False, timeout=30)

    def client(self, client_id: str, scope: str = SCOPE) -> OAuth2Session:
        return OAuth2Session(
            client_id,
            scope=scope,
            redirect_uri=BACK,
            code_challenge_method="S256",
            token_endpoint_auth_method="none",
        )

    def consent(self, client: OAuth2Session, decision: str = "allow", **more: str) -> str:
        """The way through the browser, logged in already; returns the redirect."""
        url, _ = client.create_authorization_url(
            self.facts()["authorization_endpoint"], code_verifier=VERIFIER, nonce="n-1", **more
        )
        page = self.browser.get(url, timeout=30)
        assert page.status_code == 200, page.text
        answer = self.post("/oauth/authorize", {**fields_of(page.text), "decision": decision})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def tokens(self, client: OAuth2Session) -> dict[str, Any]:
        back = self.consent(client)
        return dict(
            client.fetch_token(self.facts()["token_endpoint"], authorization_response=back, code_verifier=VERIFIER)
        )

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.running.certificate.ca)

    def imap(self) -> imaplib.IMAP4_SSL:
        return imaplib.IMAP4_SSL("localhost", self.running.ports.imaps, ssl_context=self.tls(), timeout=30)

    def submission(self) -> smtplib.SMTP_SSL:
        return smtplib.SMTP_SSL("localhost", self.running.ports.submissions, context=self.tls(), timeout=30)


def xoauth2(token: str, user: str = ANN) -> str:
    return f"user={user}\x01auth=Bearer {token}\x01\x01"


def oauthbearer(token: str, user: str = ANN) -> str:
    return f"n,a={user},\x01host=localhost\x01auth=Bearer {token}\x01\x01"


def answering(message: str) -> tuple[Callable[[bytes], bytes], list[bytes]]:
    """What imaplib asks for each challenge, and the challenges."""
    seen: list[bytes] = []

    def answer(challenge: bytes) -> bytes:
        seen.append(challenge)
        return message.encode() if len(seen) == 1 else b"\x01"

    return answer, seen


async def _person(house: House, monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # loopback, and no proxy with TLS before it

    def bind(tx: Writing) -> None:
        ann = accounts.find(tx, parse_address(ANN))
        assert ann is not None
        accounts.bind(tx, ann.id, f"eip155:{KEY.address.lower()}")

    await house.running.rooms.database.write(bind)
    return Person(house.running)


async def test_a_mail_client_from_registration_to_revocation(
    open_node: OpenNode, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_node(plan()) as house:
        ann = await _person(house, monkeypatch)
        client, first = await house.in_thread(_code_flow, ann)
        tokens = await house.in_thread(_refresh, ann, client, first)
        await house.in_thread(_mail, ann, tokens["access_token"])
        inside = await house.in_thread(_open, ann, tokens["access_token"])
        await house.in_thread(_disconnect, ann)
        await house.running.rooms.guests.go_round()
        await house.in_thread(_ended, ann, inside, tokens)
        kinds = await house.running.rooms.database.read(
            lambda tx: [e.kind for e in security_events.recent(tx, _id(tx)) if e.kind.startswith("oauth")]
        )
        assert kinds == []


def _id(tx: Any) -> int:
    ann = accounts.find(tx, parse_address(ANN))
    assert ann is not None
    return ann.id


def _code_flow(ann: Person) -> tuple[OAuth2Session, dict[str, Any]]:
    facts = ann.facts()
    assert facts["issuer"] == ann.origin
    assert facts == requests.get(ann.origin + "/.well-known/openid-configuration", timeout=30).json()
    client = ann.client(ann.register())
    url, state = client.create_authorization_url(
        facts["authorization_endpoint"], code_verifier=VERIFIER, nonce="n-1", prompt="login"
    )
    # Nobody is logged in: the page leads to the login, and the login leads back.
    asked = ann.browser.get(url, timeout=30)
    assert urlsplit(asked.url).path == "/login"
    back = ann.log_in()
    assert back == url.removeprefix(ann.origin)
    page = ann.browser.get(ann.origin + back, timeout=30)
    assert "Bird" in page.text
    assert "form-action 'self' http://127.0.0.1:7777;" in page.headers["content-security-policy"]
    answer = ann.post("/oauth/authorize", {**fields_of(page.text), "decision": "allow"})
    location = answer.headers["location"]
    assert location.startswith(BACK + "?")
    said = parse_qs(urlsplit(location).query)
    assert (said["iss"], said["state"]) == ([ann.origin], [state])
    tokens = dict(client.fetch_token(facts["token_endpoint"], authorization_response=location, code_verifier=VERIFIER))
    keys = KeySet.import_key_set(requests.get(facts["jwks_uri"], timeout=30).json())
    read = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
    options = {"iss": {"values": [ann.origin]}, "aud": {"values": [client.client_id]}}
    claims = CodeIDToken(read.claims, read.header, options, {"nonce": "n-1", "client_id": client.client_id})
    claims.validate()
    assert claims["email"] == ANN
    assert client.get(facts["userinfo_endpoint"], timeout=30).json() == {
        "sub": claims["sub"],
        "email": ANN,
        "email_verified": True,
    }
    return client, tokens


def _refresh(ann: Person, client: OAuth2Session, first: dict[str, Any]) -> dict[str, Any]:
    second = dict(client.refresh_token(ann.facts()["token_endpoint"], refresh_token=first["refresh_token"]))
    assert second["refresh_token"] != first["refresh_token"]
    return second


def _mail(ann: Person, token: str) -> None:
    with ann.submission() as sender:
        sender.ehlo()
        assert {"XOAUTH2", "OAUTHBEARER", "PLAIN"} <= set(sender.esmtp_features["auth"].split())
        assert sender.auth("XOAUTH2", lambda challenge=None: xoauth2(token))[0] == 235
        assert sender.sendmail(ANN, [ANN], f"From: {ANN}\r\nTo: {ANN}\r\nSubject: by token\r\n\r\nHello\r\n") == {}
    with ann.submission() as sender:
        sender.ehlo()
        assert sender.auth("OAUTHBEARER", lambda challenge=None: oauthbearer(token))[0] == 235
    for mechanism, message in (("XOAUTH2", xoauth2(token)), ("OAUTHBEARER", oauthbearer(token, ""))):
        answer, seen = answering(message.replace("a=,", ","))
        reader = ann.imap()
        assert {f"AUTH={mechanism}"} <= set(reader.capabilities)
        assert reader.authenticate(mechanism, answer)[0] == "OK"
        assert seen == [b""]
        assert reader.select("INBOX", readonly=True)[0] == "OK"
        assert b"by token" in reader.fetch("1", "(BODY[HEADER])")[1][0][1]
        reader.logout()
    clear = imaplib.IMAP4("localhost", ann.running.ports.imap, timeout=30)
    assert not any(name.startswith("AUTH=") for name in clear.capabilities), "tokens travel under TLS alone"
    with pytest.raises(imaplib.IMAP4.error, match="TLS"):
        clear.authenticate("XOAUTH2", answering(xoauth2(token))[0])
    clear.shutdown()
    _refused(ann, token)


def _refused(ann: Person, token: str) -> None:
    """Tokens that are not good are explained in a challenge, and not taken."""
    head, payload, _ = token.split(".")
    bare = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    for wrong in (f"{bare}.{payload}.", f"{bare}.{payload}.AAAA", f"{head}.{payload}.AAAA", "x"):
        reader = ann.imap()
        answer, seen = answering(xoauth2(wrong))
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            reader.authenticate("XOAUTH2", answer)
        told = json.loads(seen[1])
        assert (told["status"], told["scope"]) == ("invalid_token", "imap")
        assert told["openid-configuration"] == ann.origin + "/.well-known/openid-configuration"
        reader.shutdown()
    for message in (xoauth2(token, "bob@example.test"), xoauth2("x")):
        with ann.submission() as sender:
            sender.ehlo()
            with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
                sender.auth("XOAUTH2", lambda challenge=None, message=message: "\x01" if challenge else message)
            assert caught.value.smtp_code == 535


def _open(ann: Person, token: str) -> imaplib.IMAP4_SSL:
    reader = ann.imap()
    reader.authenticate("XOAUTH2", answering(xoauth2(token))[0])
    reader.select("INBOX")
    return reader


def _disconnect(ann: Person) -> None:
    page = ann.browser.get(ann.origin + "/account", timeout=30).text
    assert "Connected mail clients" in page
    path = page.partition('action="/account/clients/')[2].partition('"')[0]
    assert ann.post("/account/clients/" + path, {}).status_code == 303
    assert "Connected mail clients" not in ann.browser.get(ann.origin + "/account", timeout=30).text


def _ended(ann: Person, inside: imaplib.IMAP4_SSL, tokens: dict[str, Any]) -> None:
    with pytest.raises(imaplib.IMAP4.abort, match="disconnected"):
        inside.noop()
    inside.shutdown()
    reader = ann.imap()
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        reader.authenticate("XOAUTH2", answering(xoauth2(tokens["access_token"]))[0])
    reader.shutdown()


async def test_a_device_and_its_code(open_node: OpenNode, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_node(plan(oauth={"clients": {"console": []}, "registration": False})) as house:
        ann = await _person(house, monkeypatch)
        await house.in_thread(_device_flow, ann)


def _device_flow(ann: Person) -> None:
    facts = ann.facts()
    assert "registration_endpoint" not in facts
    refused = requests.post(ann.origin + "/oauth/register", json={"client_name": "x"}, timeout=30)
    assert refused.status_code == 400
    asked = requests.post(
        facts["device_authorization_endpoint"], data={"client_id": "console", "scope": "imap"}, timeout=30
    ).json()
    client = ann.client("console", "imap")

    def poll() -> dict[str, Any]:
        return dict(client.fetch_token(facts["token_endpoint"], grant_type=DEVICE, device_code=asked["device_code"]))

    with pytest.raises(OAuthError, match="authorization_pending"):
        poll()
    assert urlsplit(ann.browser.get(asked["verification_uri_complete"], timeout=30).url).path == "/login"
    assert ann.log_in() == f"/device?user_code={asked['user_code']}"
    assert asked["user_code"] in ann.browser.get(asked["verification_uri_complete"], timeout=30).text
    wrong = ann.post("/device", {"user_code": "BBBB-BBBB"})
    assert wrong.status_code == 422
    page = ann.post("/device", {"user_code": asked["user_code"]})
    assert "Console" in page.text
    fields = fields_of(page.text)
    assert ann.post("/device", {**fields, "ticket": "0" * 32, "decision": "allow"}).status_code == 403
    page = ann.post("/device", {"user_code": asked["user_code"]})
    assert ann.post("/device", {**fields_of(page.text), "decision": "allow"}).status_code == 200
    tokens = poll()
    assert (tokens["scope"], "refresh_token" in tokens) == ("imap", False)
    reader = _open(ann, tokens["access_token"])
    reader.logout()
    with ann.submission() as sender:
        sender.ehlo()
        seen: list[bytes] = []

        def answer(challenge: bytes | None = None) -> str:
            seen.extend([challenge] if challenge else [])
            return "\x01" if challenge else xoauth2(tokens["access_token"])

        with pytest.raises(smtplib.SMTPAuthenticationError):
            sender.auth("XOAUTH2", answer)
        assert json.loads(seen[0])["status"] == "insufficient_scope"


async def test_what_is_refused(open_node: OpenNode, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_node(plan()) as house:
        ann = await _person(house, monkeypatch)
        await house.in_thread(_tricks_in_the_browser, ann)
        await house.in_thread(_tricks_at_the_token_endpoint, ann)
        folder = house.running.rooms.folders.keys
        secret = (folder / "introspection.key").read_text().strip()
        await house.in_thread(_introspection, ann, secret)


def _tricks_in_the_browser(ann: Person) -> None:
    ann.log_in()
    client_id = ann.register()
    good = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": BACK,
        "scope": "imap",
        "state": "s",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }

    def ask(**changes: str) -> requests.Response:
        return ann.browser.get(
            ann.origin + "/oauth/authorize", params={**good, **changes}, allow_redirects=False, timeout=30
        )

    # Where it is not certain who asks, nothing is sent anywhere.
    for changes in (
        {"redirect_uri": "https://evil.example/back"},
        {"redirect_uri": BACK + "/../evil"},
        {"redirect_uri": "http://127.0.0.1:7777@evil.example/back"},
        {"client_id": "somebody-else"},
        {"state": "x" * 2000},
    ):
        page = ask(**changes)
        assert (page.status_code, "location" in page.headers) == (400, False), changes
    twice = ann.browser.get(
        ann.origin + "/oauth/authorize", params=[*good.items(), ("client_id", "thunderbird")], timeout=30
    )
    assert twice.status_code == 400
    # Where it is, the client is told, and by whom.
    for changes, code in (
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "root"}, "invalid_scope"),
        ({"prompt": "none"}, "consent_required"),
    ):
        answer = ask(**changes)
        said = parse_qs(urlsplit(answer.headers["location"]).query)
        assert answer.headers["location"].startswith(BACK + "?")
        assert (said["error"], said["state"], said["iss"]) == ([code], ["s"], [ann.origin])
    _forged_consent(ann, ask().text)
    refused = ann.consent(ann.client(client_id), decision="deny")
    assert parse_qs(urlsplit(refused).query)["error"] == ["access_denied"]
    # Another site sent the browser here, without the cookie: it is asked once more before anybody logs in anew.
    stranger = requests.get(
        ann.origin + "/oauth/authorize", params=good, headers={"sec-fetch-site": "cross-site"}, timeout=30
    )
    assert (stranger.status_code, 'http-equiv="refresh"' in stranger.text) == (200, True)


def _forged_consent(ann: Person, page: str) -> None:
    fields = {**fields_of(page), "decision": "allow"}
    foreign = ann.post("/oauth/authorize", fields, origin="https://evil.example")
    assert foreign.status_code == 403
    nobody = requests.post(ann.origin + "/oauth/authorize", data=fields, allow_redirects=False, timeout=30)
    assert nobody.status_code == 401
    assert ann.post("/oauth/authorize", {**fields, "scope": "imap smtp"}).status_code == 403
    assert ann.post("/oauth/authorize", fields).status_code == 403, "a ticket is used up by the first try"
    assert ann.post("/oauth/authorize", {**fields, "ticket": ""}).status_code == 403


def _tricks_at_the_token_endpoint(ann: Person) -> None:
    facts, client = ann.facts(), ann.client(ann.register())

    def token(**fields: str) -> tuple[int, str]:
        answer = requests.post(facts["token_endpoint"], data=fields, timeout=30)
        assert answer.headers["cache-control"] == "no-store"
        return answer.status_code, answer.json().get("error", "")

    assert token(grant_type="password", username=ANN, password="x") == (400, "unsupported_grant_type")
    assert token(grant_type="authorization_code", client_id="nobody", code="x") == (401, "invalid_client")
    assert requests.post(facts["token_endpoint"], json={}, timeout=30).json()["error"] == "invalid_request"
    back = ann.consent(client)
    code = parse_qs(urlsplit(back).query)["code"][0]
    good = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    first = requests.post(facts["token_endpoint"], data=good, timeout=30).json()
    client.token = first
    assert client.get(facts["userinfo_endpoint"], timeout=30).status_code == 200
    assert token(**good) == (400, "invalid_grant")
    ended = client.get(facts["userinfo_endpoint"], timeout=30)
    assert ended.status_code == 401
    assert 'error="invalid_token"' in ended.headers["www-authenticate"]
    tokens = ann.tokens(client)
    client.refresh_token(facts["token_endpoint"], refresh_token=tokens["refresh_token"])
    assert token(grant_type="refresh_token", client_id=client.client_id, refresh_token=tokens["refresh_token"]) == (
        *(400, "invalid_grant"),
    )
    page = ann.browser.get(ann.origin + "/account", timeout=30).text
    assert "its code was used twice" in page
    assert "its token was used by somebody else" in page


def _introspection(ann: Person, secret: str) -> None:
    facts, client = ann.facts(), ann.client(ann.register())
    tokens = ann.tokens(client)

    def ask(token: str, shown: str) -> requests.Response:
        headers = {"authorization": f"Bearer {shown}"}
        return requests.post(facts["introspection_endpoint"], data={"token": token}, headers=headers, timeout=30)

    assert ask(tokens["access_token"], "00" * 32).status_code == 401
    assert ask(tokens["access_token"], tokens["access_token"]).status_code == 401
    found = ask(tokens["access_token"], secret).json()
    assert (found["active"], found["username"], found["scope"]) == (True, ANN, SCOPE)
    assert ask("x", secret).json() == {"active": False}
    gone = client.revoke_token(facts["revocation_endpoint"], token=tokens["refresh_token"])
    assert gone.status_code == 200
    assert ask(tokens["access_token"], secret).json() == {"active": False}
