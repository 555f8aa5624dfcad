"""Secrets that must be read again lie sealed in the database; the key lies beside it, in `<data>/keys/secrets.key`.

A copy of the database alone, as backups and snapshots are, gives nobody a second factor.
"""

from __future__ import annotations

import secrets

from nacl import bindings
from nacl.exceptions import CryptoError

from identity import totp
from node.base.log import get_log
from node.store import passwords
from node.store.transaction import Reading, Writing

log = get_log(__name__)

_NONCE = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_TAG = bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES
SEALED_SIZE = _NONCE + totp.SECRET_SIZE + _TAG  # octets; a secret from before they were sealed is shorter


class Sealing:
    """Seals and opens (XChaCha20-Poly1305, a random nonce each).

    Args:
        key: 32 secret octets; None makes one that ends with this object.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def totp(self, account_id: int, secret: bytes) -> bytes:
        """An authenticator app's secret, sealed for this account's row: in another's it opens nothing."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            secret, _context(account_id), nonce, self._key
        )

    def open_totp(self, account_id: int, kept: bytes) -> bytes | None:
        """The secret; None where it was sealed with another key, or for another account."""
        if len(kept) == totp.SECRET_SIZE:  # from before they were sealed, and `seal_old` has not come by yet
            return kept
        try:
            return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                kept[_NONCE:], _context(account_id), kept[:_NONCE], self._key
            )
        except CryptoError:
            log.warning("totp.sealed_otherwise", account=account_id)
            return None


def _context(account_id: int) -> bytes:
    return b"waxseal totp %d" % account_id


def has_old(tx: Reading) -> bool:
    """Whether there are secrets from before they were sealed."""
    return any(len(kept) == totp.SECRET_SIZE for _, kept in passwords.totp_secrets(tx))


def seal_old(tx: Writing, sealing: Sealing) -> int:
    """Seal them; returns how many."""
    old = [(id, kept) for id, kept in passwords.totp_secrets(tx) if len(kept) == totp.SECRET_SIZE]
    for id, kept in old:
        passwords.reseal_totp(tx, id, sealing.totp(id, kept))
    return len(old)
