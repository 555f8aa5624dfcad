"""Content keys: wrapped for each account that may read a file, in a sealed box to the account's own key pair.

Kind 2, which is written: an X25519 sealed box (libsodium's crypto_box_seal) to the account's public key; the private
key lies in the database, sealed under the node's secret. Kind 1, which is only read: sealed under that secret itself.
Account and file are bound into both, so a wrapped key moved to another row opens nothing. docs/ipfs.md says what this
protects against and what not.
"""

from __future__ import annotations

import hmac
import os
import secrets
import struct
from dataclasses import dataclass
from pathlib import Path

from nacl import bindings
from nacl.exceptions import CryptoError

from node.base.errors import ConfigError
from node.ipfs.cipher import FILE_ID, KEY, TAG, SealError

BY_NODE = 1  # first octet of a wrapped key: how it is wrapped
FOR_ACCOUNT = 2

_NONCE = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_BOUND = struct.Struct(f">{FILE_ID}sQ")  # file, account


@dataclass(frozen=True, slots=True)
class AccountKey:
    """An account's key pair as the database keeps it: 32 octets public, the private key sealed under the node's."""

    public: bytes
    sealed: bytes


class Keys:
    """The node's secret, in a file only its user can read: it seals accounts' private keys and tenants' secrets."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def open(cls, directory: Path) -> Keys:
        """Load `attachments.key` from the directory, or make it.

        Raises:
            ConfigError: others can read it, or it is not 32 octets: the text says what to do.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / "attachments.key"
        if not path.exists():
            _create(path, secrets.token_bytes(KEY))
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} can be read by others: run chmod 600 {path}")
        secret = path.read_bytes()
        if len(secret) != KEY:
            raise ConfigError(f"{path} is damaged: restore it from your backup, offloaded attachments need it")
        return cls(secret)

    def hide(self, secret: bytes, bound: bytes) -> bytes:
        """A small secret sealed under the node's: one octet 1, nonce, ciphertext, tag.

        Args:
            bound: what it is for; it opens for nothing else.
        """
        nonce = secrets.token_bytes(_NONCE)
        sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(secret, bound, nonce, self._secret)
        return bytes((BY_NODE,)) + nonce + sealed

    def reveal(self, hidden: bytes, bound: bytes) -> bytes:
        """What `hide` hid.

        Raises:
            SealError: it was hidden for something else or by another node, or it is damaged.
        """
        if hidden[:1] != bytes((BY_NODE,)) or len(hidden) < 1 + _NONCE + TAG:
            raise SealError("a sealed secret is of a kind this release does not know")
        nonce, sealed = hidden[1 : 1 + _NONCE], hidden[1 + _NONCE :]
        try:
            return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, bound, nonce, self._secret)
        except CryptoError:
            raise SealError("a wrapped key does not open: another account, file or node key") from None

    def wrap(self, key: bytes, account_id: int, file_id: bytes) -> bytes:
        """The content key, wrapped in the first way (kind 1)."""
        return self.hide(key, _bound_by_node(account_id, file_id))

    def new_account(self, account_id: int) -> AccountKey:
        """A fresh key pair."""
        public, private = bindings.crypto_box_keypair()
        return AccountKey(public, self.hide(private, _for_account(account_id, public)))

    def unwrap(self, wrapped: bytes, account_id: int, file_id: bytes, account: AccountKey | None = None) -> bytes:
        """The content key.

        Args:
            account: the account's key pair, which kind 2 needs.

        Raises:
            SealError: it was wrapped for another account, file or node, the account's key is gone, or it is damaged.
        """
        if wrapped[:1] != bytes((FOR_ACCOUNT,)):
            key = self.reveal(wrapped, _bound_by_node(account_id, file_id))
            if len(key) != KEY:
                raise SealError("a wrapped key has another length")
            return key
        if account is None:
            raise SealError("the account that a content key is wrapped for has no key pair any more")
        private = self.reveal(account.sealed, _for_account(account_id, account.public))
        try:
            content = bindings.crypto_box_seal_open(wrapped[1:], account.public, private)
        except (CryptoError, ValueError, TypeError):
            raise SealError("a wrapped key does not open: another account, or damaged") from None
        if not hmac.compare_digest(content[KEY:], _BOUND.pack(file_id, account_id)):
            raise SealError("a wrapped key was meant for another file or account")
        return content[:KEY]


def wrap(key: bytes, public: bytes, account_id: int, file_id: bytes) -> bytes:
    """The content key, sealed for the account: the octet 2, then a sealed box of key, file and account.

    Needs no secret: whoever may write to the database can wrap, only who holds the node's key can open.
    """
    return bytes((FOR_ACCOUNT,)) + bindings.crypto_box_seal(key + _BOUND.pack(file_id, account_id), public)


def _bound_by_node(account_id: int, file_id: bytes) -> bytes:
    return b"waxseal content key\0" + struct.pack(">Q", account_id) + file_id


def _for_account(account_id: int, public: bytes) -> bytes:
    return b"waxseal account key\0" + struct.pack(">Q", account_id) + public


def _create(path: Path, secret: bytes) -> None:
    """Write the secret so that a crash leaves it whole or absent: with half a key the next one would replace it."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, secret)
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(unfinished, path)  # unlike rename, never replaces a key that another process made meanwhile
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
