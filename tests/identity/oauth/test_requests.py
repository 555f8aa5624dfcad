"""Requests of clients: PKCE, redirect URIs, scopes, the authorization request, registration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.oauth import authorization, metadata, pkce, redirect, registration, scope, user_code
from identity.oauth.authorization import Ask, Target
from identity.oauth.fault import Code, Fault

# RFC 7636 appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_standards_own_example_of_pkce() -> None:
    assert pkce.challenge_of(VERIFIER) == CHALLENGE
    assert pkce.matches(VERIFIER, CHALLENGE)


@pytest.mark.parametrize(
    "verifier",
    ["", VERIFIER[:-1], VERIFIER + "!", VERIFIER[:-1] + "l", CHALLENGE, "é" * 43, VERIFIER + "\n", "a" * 129],
)
def test_another_verifier_does_not_match(verifier: str) -> None:
    assert not pkce.matches(verifier, CHALLENGE)


@pytest.mark.parametrize(
    ("challenge", "method"),
    [
        ("", "S256"),
        ("", ""),
        (CHALLENGE, ""),  # RFC 7636 §4.3: means plain
        (CHALLENGE, "plain"),
        (VERIFIER, "plain"),
        (CHALLENGE, "s256"),
        (CHALLENGE, "S512"),
        (CHALLENGE + "=", "S256"),
        (CHALLENGE[:-1], "S256"),
        (CHALLENGE + "\n", "S256"),
    ],
)
def test_pkce_cannot_be_talked_down(challenge: str, method: str) -> None:
    found = pkce.check(challenge, method)
    assert found is not None
    assert found.code is Code.INVALID_REQUEST


def test_pkce_with_s256_is_taken() -> None:
    assert pkce.check(CHALLENGE, "S256") is None


GOOD = [
    "https://mail.example.org/cb",
    "https://mail.example.org:8443/cb?x=1",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:8080/",
    "http://[::1]/cb",
    "http://localhost",
    "org.example.mail:/cb",
    "org.example.mail://callback/x",
]
BAD = [
    "",
    "http://mail.example.org/cb",
    "https://mail.example.org/cb#x",
    "https://mail.example.org@evil.example/cb",
    "https://mail.example.org\\@evil.example/cb",
    "https://mail.example.org:443:443/cb",
    "https://mail.example.org:99999/cb",
    "https://127.0.0.1/cb",
    "https://MAIL.example.org/cb",
    "https://*.example.org/cb",
    "https://mail.example.org/cb\r\nLocation: https://evil.example",
    "https://mail.example.org/c b",
    "http://127.0.0.1.evil.example/cb",
    "http://127.1/cb",
    "http://2130706433/cb",
    "http://0x7f.0.0.1/cb",
    "http://localhost.evil.example/cb",
    "http://localhost@evil.example/cb",
    "http://[::ffff:127.0.0.1]/cb",
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "mail:/cb",
    "//evil.example/cb",
    "/cb",
    "https://mail.example.org/" + "a" * 600,
]


@pytest.mark.parametrize("uri", GOOD)
def test_good_redirects_are_taken(uri: str) -> None:
    assert redirect.check(uri) == ""
    assert redirect.is_allowed(uri, [uri])


@pytest.mark.parametrize("uri", BAD)
def test_tricks_with_redirects_are_refused(uri: str) -> None:
    assert redirect.check(uri)


@pytest.mark.parametrize(
    ("asked", "registered"),
    [
        ("http://127.0.0.1:51004/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:8080/cb"),
        ("http://[::1]:9/cb", "http://[::1]/cb"),
        ("http://localhost:3000/", "http://localhost"),
    ],
)
def test_loopback_goes_to_any_port(asked: str, registered: str) -> None:
    assert redirect.is_allowed(asked, [registered])


@pytest.mark.parametrize(
    ("asked", "registered"),
    [
        ("https://mail.example.org:8443/cb", "https://mail.example.org/cb"),
        ("https://mail.example.org/cb/", "https://mail.example.org/cb"),
        ("https://mail.example.org/cb?x=1", "https://mail.example.org/cb"),
        ("https://mail.example.org/cb/../evil", "https://mail.example.org/cb"),
        ("https://evil.example/cb", "https://mail.example.org/cb"),
        ("http://127.0.0.1:51004/cb/x", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:51004/cb?x", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:510041/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:5100@evil.example/cb", "http://127.0.0.1/cb"),
        ("http://localhost:51004/cb", "http://127.0.0.1/cb"),
        ("https://127.0.0.1:51004/cb", "http://127.0.0.1/cb"),
        ("org.example.mail:/cb2", "org.example.mail:/cb"),
    ],
)
def test_other_redirects_match_exactly_or_not_at_all(asked: str, registered: str) -> None:
    assert not redirect.is_allowed(asked, [registered])


@given(st.text(max_size=60))
def test_whatever_is_asked_only_what_was_registered_is_allowed(text: str) -> None:
    for registered in GOOD:
        if redirect.is_allowed(text, [registered]):
            assert text == registered or (redirect.is_loopback(text) and redirect.is_loopback(registered))


def test_answers_join_the_query_that_is_there() -> None:
    assert redirect.answer("http://127.0.0.1/cb", {"code": "a b", "state": ""}) == "http://127.0.0.1/cb?code=a+b"
    assert redirect.answer("https://a.example/cb?x=1", {"code": "c"}) == "https://a.example/cb?x=1&code=c"


def test_a_form_may_lead_to_the_redirect_alone() -> None:
    assert redirect.form_target("http://127.0.0.1:51004/cb") == "http://127.0.0.1:51004"
    assert redirect.form_target("https://mail.example.org/cb") == "https://mail.example.org"
    assert redirect.form_target("org.example.mail:/cb") == "org.example.mail:"
    assert redirect.form_target("http://[::1]:8/cb") == "http:"


def test_scopes_are_known_or_left_out() -> None:
    assert scope.read("imap  smtp mail.read") == frozenset({"imap", "smtp"})
    assert scope.write(frozenset({"smtp", "openid", "imap"})) == "openid imap smtp"


@pytest.mark.parametrize("text", ["", "mail.read", "offline_access", "IMAP", "imap\tsmtp", "imap " * 200])
def test_scopes_that_allow_nothing_are_refused(text: str) -> None:
    found = scope.read(text)
    assert isinstance(found, Fault)
    assert found.code is Code.INVALID_SCOPE


REQUEST = {
    "response_type": "code",
    "client_id": "thunderbird",
    "redirect_uri": "http://localhost:3000/",
    "scope": "openid imap smtp",
    "state": "s",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
    "nonce": "n",
}


def _read(**changes: str | None) -> Ask | Fault:
    values = {name: value for name, value in {**REQUEST, **changes}.items() if value}
    target = authorization.read_target(values)
    assert isinstance(target, Target)
    return authorization.read(values, target)


def test_a_whole_request() -> None:
    ask = _read(max_age="60")
    assert isinstance(ask, Ask)
    assert ask.target == Target("thunderbird", "http://localhost:3000/", "s")
    assert ask.scopes == {"openid", "imap", "smtp"}
    assert (ask.challenge, ask.nonce, ask.max_age, ask.silent) == (CHALLENGE, "n", 60, False)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"response_type": None}, Code.UNSUPPORTED_RESPONSE_TYPE),
        ({"response_type": "token"}, Code.UNSUPPORTED_RESPONSE_TYPE),
        ({"response_type": "code id_token"}, Code.UNSUPPORTED_RESPONSE_TYPE),
        ({"response_mode": "fragment"}, Code.INVALID_REQUEST),
        ({"code_challenge": None}, Code.INVALID_REQUEST),
        ({"code_challenge_method": None}, Code.INVALID_REQUEST),
        ({"code_challenge_method": "plain"}, Code.INVALID_REQUEST),
        ({"scope": None}, Code.INVALID_SCOPE),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, Code.REQUEST_NOT_SUPPORTED),
        ({"request_uri": "https://169.254.169.254/"}, Code.REQUEST_URI_NOT_SUPPORTED),
        ({"prompt": "none login"}, Code.INVALID_REQUEST),
        ({"max_age": "-1"}, Code.INVALID_REQUEST),
    ],
)
def test_requests_that_ask_for_too_much(changes: dict[str, str | None], code: Code) -> None:
    found = _read(**changes)
    assert isinstance(found, Fault)
    assert found.code is code


@pytest.mark.parametrize("sent", [{"a": ["1", "2"]}, {"a": ["x" * 1025]}, {"a": ["é"]}, {"a": ["x\r\ny"]}])
def test_parameters_come_once_and_short(sent: dict[str, list[str]]) -> None:
    found = authorization.single(sent)
    assert isinstance(found, Fault)
    assert '"' not in found.words
    assert "\\" not in found.words


def test_consent_is_to_this_very_request() -> None:
    ask = _read()
    assert isinstance(ask, Ask)
    others = [
        replace(ask, target=Target("other", "http://localhost:3000/", "s")),
        replace(ask, target=Target("thunderbird", "http://localhost:3001/", "s")),
        replace(ask, target=Target("thunderbird", "http://localhost:3000/s", "")),
        replace(ask, scopes=frozenset({"imap"})),
        replace(ask, challenge="x" * 43),
        replace(ask, nonce=""),
    ]
    assert len({ask.digest, *(other.digest for other in others)}) == 7


def _register(**said: Any) -> registration.Wanted | Fault:
    return registration.read(
        json.dumps({"client_name": "Mail", "redirect_uris": ["http://127.0.0.1/"], **said}).encode()
    )


def test_a_public_client_is_registered() -> None:
    assert _register(logo_uri="https://evil.example/x") == registration.Wanted("Mail", ("http://127.0.0.1/",))
    device = registration.Wanted("TV", ())
    assert _register(client_name="TV", redirect_uris=[], grant_types=[registration.DEVICE_GRANT]) == device


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"token_endpoint_auth_method": "client_secret_basic"}, Code.INVALID_CLIENT_METADATA),
        ({"token_endpoint_auth_method": None}, Code.INVALID_CLIENT_METADATA),
        ({"client_name": ""}, Code.INVALID_CLIENT_METADATA),
        ({"client_name": 7}, Code.INVALID_CLIENT_METADATA),
        ({"client_name": "a" * 65}, Code.INVALID_CLIENT_METADATA),
        ({"client_name": "Mail\u202etfos"}, Code.INVALID_CLIENT_METADATA),
        ({"grant_types": ["password"]}, Code.INVALID_CLIENT_METADATA),
        ({"grant_types": "authorization_code"}, Code.INVALID_CLIENT_METADATA),
        ({"response_types": ["token"]}, Code.INVALID_CLIENT_METADATA),
        ({"redirect_uris": []}, Code.INVALID_REDIRECT_URI),
        ({"redirect_uris": "http://127.0.0.1/"}, Code.INVALID_REDIRECT_URI),
        ({"redirect_uris": [7]}, Code.INVALID_REDIRECT_URI),
        ({"redirect_uris": ["http://127.0.0.1/"] * 9}, Code.INVALID_REDIRECT_URI),
        ({"redirect_uris": ["https://a.example/#x"]}, Code.INVALID_REDIRECT_URI),
        ({"contacts": "x" * 9000}, Code.INVALID_CLIENT_METADATA),
    ],
)
def test_registrations_that_are_refused(said: dict[str, Any], code: Code) -> None:
    found = _register(**said)
    assert isinstance(found, Fault)
    assert found.code is code


@given(st.binary(max_size=200))
def test_whatever_is_registered_there_is_an_answer(body: bytes) -> None:
    assert isinstance(registration.read(body), Fault | registration.Wanted)


def test_user_codes_are_read_as_people_type_them() -> None:
    code = user_code.generate()
    assert user_code.read(f" {user_code.show(code).lower()} ") == code
    assert user_code.read("WDJB MJHT") == "WDJBMJHT"
    assert user_code.read("WDJB-MJH") is None
    assert user_code.read("AAAA-AAAA") is None


def test_the_document_promises_nothing_weak() -> None:
    found = metadata.document("https://mail.example.org", registration=False)
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["response_types_supported"] == ["code"]
    assert found["authorization_response_iss_parameter_supported"] is True
    assert "registration_endpoint" not in found
