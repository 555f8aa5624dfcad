"""What clients are told about the provider (RFC 8414 §2, OpenID Connect Discovery §3)."""

from __future__ import annotations

from typing import Any

from identity.oauth import pkce, scope, tokens
from identity.oauth.registration import GRANT_TYPES

AUTHORIZE = "/oauth/authorize"
TOKEN = "/oauth/token"  # noqa: S105 - an address
DEVICE_START = "/oauth/device_authorization"
DEVICE = "/device"
REVOKE = "/oauth/revoke"
INTROSPECT = "/oauth/introspect"
REGISTER = "/oauth/register"
USERINFO = "/oauth/userinfo"
JWKS = "/oauth/jwks"
DISCOVERY = "/.well-known/openid-configuration"
SERVER = "/.well-known/oauth-authorization-server"


def document(issuer: str, *, registration: bool) -> dict[str, Any]:
    """Both standards' document in one.

    Args:
        issuer: the origin people type, without a slash at its end.
        registration: clients may register themselves.
    """
    found: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": issuer + AUTHORIZE,
        "token_endpoint": issuer + TOKEN,
        "device_authorization_endpoint": issuer + DEVICE_START,
        "revocation_endpoint": issuer + REVOKE,
        "introspection_endpoint": issuer + INTROSPECT,
        "userinfo_endpoint": issuer + USERINFO,
        "jwks_uri": issuer + JWKS,
        "scopes_supported": list(scope.SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "code_challenge_methods_supported": [pkce.METHOD],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint_auth_methods_supported": ["Bearer"],
        "authorization_response_iss_parameter_supported": True,  # RFC 9207 §3
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [tokens.ALGORITHM],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "email", "email_verified"],
        "prompt_values_supported": ["none", "login", "consent"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
    if registration:
        found["registration_endpoint"] = issuer + REGISTER
    return found
