"""Convergent keys: within one tenant that asked for it, the same attachment is sealed the same way and kept once.

Key and file id are HMACs of the tenant's secret over the content's hash and how it is sealed, so equal content gives
equal blocks inside the tenant, and nobody without the secret can tell what a block holds by sealing a guess himself.
What it gives away, and to whom, is said in docs/ipfs.md; it is off until the operator switches it on for a tenant.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from node.ipfs.cipher import FILE_ID, KEY, Cipher
from node.ipfs.keys import Keys
from node.ipfs.seal import Header
from node.store import part_keys
from node.store.transaction import Reading

_ID = b"waxseal convergent file id\0"
_CONTENT_KEY = b"waxseal convergent key\0"


def derive(secret: bytes, content_sha256: bytes, size: int, chunk: int, cipher: Cipher) -> tuple[Header, bytes]:
    """(header, content key) of a content under a tenant's secret of 32 octets.

    All that decides how the leaves are cut and sealed is in the header, and the whole header is in the key: the same
    key never seals two different leaves of one number.
    """
    draft = Header(bytes(FILE_ID), size, chunk, cipher).encode()
    file_id = hmac.digest(secret, _ID + draft + content_sha256, "sha256")[:FILE_ID]
    header = Header(file_id, size, chunk, cipher)
    return header, hmac.digest(secret, _CONTENT_KEY + header.encode() + content_sha256, "sha256")


def sha256(content: Iterable[bytes]) -> bytes:
    """The hash of a content that comes in chunks."""
    digest = hashlib.sha256()
    for chunk in content:
        digest.update(chunk)
    return digest.digest()


def secret_for(tx: Reading, keys: Keys, account_id: int) -> bytes | None:
    """The secret of the account's tenant; None while its attachments are not deduplicated.

    Raises:
        SealError: it does not open with this node's key.
    """
    tenant = part_keys.tenant_of(tx, account_id)
    sealed = part_keys.secret_of(tx, tenant)
    return None if sealed is None else keys.reveal(sealed, _bound(tenant))


def new_secret(keys: Keys, tenant: str) -> bytes:
    """A fresh secret for a tenant, sealed under the node's key."""
    return keys.hide(secrets.token_bytes(KEY), _bound(tenant))


def _bound(tenant: str) -> bytes:
    return b"waxseal tenant secret\0" + tenant.encode()
