"""py_webauthn, as far as it is used: signatures of passkeys, soundness of their keys, what browsers are to be asked.

Importing it takes 60 ms, so that `identity.passkey` does so when it is first needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    options_to_json_dict,
)
from webauthn.helpers import parse_cbor as decode_cbor
from webauthn.helpers.cose import COSEAlgorithmIdentifier as Algorithm
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from identity.passkey import TRANSPORTS, Assertion, Owner, Registration, Site

__all__ = ["ALGORITHMS", "BROKEN", "answered", "creation", "decode_cbor", "is_sound", "registered", "request"]

ALGORITHMS = (Algorithm.EDDSA, Algorithm.ECDSA_SHA_256, Algorithm.RSASSA_PKCS1_v1_5_SHA_256)
"""Best first. RS256 is what TPMs under Windows can do."""
RSA_BITS = (2048, 4096)

# The library and what it stands on tell broken input by whatever their parsers raise.
BROKEN = (
    WebAuthnException,
    InvalidSignature,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


def request(site: Site, challenge: bytes, seconds: int) -> dict[str, Any]:
    """What `navigator.credentials.get()` is to be asked, in its JSON form."""
    options = generate_authentication_options(
        rp_id=site.id,
        challenge=challenge,
        timeout=seconds * 1000,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def creation(site: Site, challenge: bytes, seconds: int, owner: Owner) -> dict[str, Any]:
    """What `navigator.credentials.create()` is to be asked, in its JSON form."""
    options = generate_registration_options(
        rp_id=site.id,
        rp_name=site.id,
        user_id=owner.handle,
        user_name=owner.address,
        user_display_name=owner.name,
        challenge=challenge,
        timeout=seconds * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[_described(id, transports) for id, transports in owner.held],
        supported_pub_key_algs=list(ALGORITHMS),
    )
    return options_to_json_dict(options)


def registered(sent: Registration, challenge: bytes, site: Site) -> tuple[bytes, bytes]:
    """The id and the key (COSE_Key) of a new passkey; raises one of `BROKEN` where something does not hold."""
    found = verify_registration_response(
        credential=RegistrationCredential(
            id=bytes_to_base64url(sent.id),
            raw_id=sent.id,
            response=AuthenticatorAttestationResponse(sent.client_data, sent.attestation_object),
        ),
        expected_challenge=challenge,
        expected_rp_id=site.id,
        expected_origin=site.origin,
        require_user_verification=True,
        supported_pub_key_algs=list(ALGORITHMS),
    )
    return found.credential_id, found.credential_public_key


def answered(sent: Assertion, challenge: bytes, site: Site, public_key: bytes) -> None:
    """Raise one of `BROKEN` where an answer, or its signature, does not hold."""
    verify_authentication_response(
        credential=AuthenticationCredential(
            id=bytes_to_base64url(sent.id),
            raw_id=sent.id,
            response=AuthenticatorAssertionResponse(sent.client_data, sent.authenticator_data, sent.signature),
        ),
        expected_challenge=challenge,
        expected_rp_id=site.id,
        expected_origin=site.origin,
        credential_public_key=public_key,
        # The library compares counters before it has seen a signature: a stranger could raise the alarm.
        credential_current_sign_count=0,
        require_user_verification=True,
    )


def is_sound(cose: bytes) -> bool:
    """Whether the key is of a kind on the list: the algorithm, the kind of key and its size fit each other."""
    try:
        decoded = decode_credential_public_key(cose)
        fields = decode_cbor(cose)
        key = decoded_public_key_to_cryptography(decoded)  # fails for a point that is not on the curve
    except BROKEN:
        return False
    if type(decoded.alg) is not int or not isinstance(fields, dict):
        return False
    if decoded.alg == Algorithm.EDDSA:
        return isinstance(key, Ed25519PublicKey) and fields.keys() == {1, 3, -1, -2}
    if decoded.alg == Algorithm.ECDSA_SHA_256:
        fits = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
        return fits and fields.keys() == {1, 3, -1, -2, -3} and len(fields[-2]) == len(fields[-3]) == 32
    if decoded.alg == Algorithm.RSASSA_PKCS1_v1_5_SHA_256:
        fits = isinstance(key, RSAPublicKey) and RSA_BITS[0] <= key.key_size <= RSA_BITS[1]
        return fits and fields.keys() == {1, 3, -1, -2} and fields[-2] == b"\x01\x00\x01"
    return False


def _described(id: bytes, transports: Sequence[str]) -> PublicKeyCredentialDescriptor:
    known = [AuthenticatorTransport(word) for word in transports if word in TRANSPORTS]
    return PublicKeyCredentialDescriptor(id=id, transports=known)
