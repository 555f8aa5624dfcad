"""The provider's signing keys: RSA, in files that the node alone can read, the first made at the first start."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from identity.oauth.tokens import MIN_BITS, KeyRing, SigningKey, signing_key
from node.base.errors import ConfigError

SIGNS = "oauth.pem"
RETIRED = "oauth.old.pem"
MAX_SIZE = 16 * 1024  # octets


def open_keys(folder: Path) -> KeyRing:
    """The keys in `folder`: `oauth.pem` signs, `oauth.old.pem` only verifies what it signed before. Blocks.

    To change keys, rename the one to the other and start the node again: it makes a new one.

    Raises:
        ConfigError: a file is readable by others, or holds no usable key.
    """
    path, retired = folder / SIGNS, folder / RETIRED
    if not path.exists():
        _create(path)
    keys = [_load(path)]
    if retired.exists():
        keys.append(_load(retired))
    return KeyRing(tuple(keys))


def _load(path: Path) -> SigningKey:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigError(f"the key file {path} is open to others: run `chmod 600 {path}`, and ask who read it")
            return signing_key(file.read(MAX_SIZE))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be used: {error}; restore it from a backup, or move it away: a new one is made, and mail "
            "clients refresh their tokens"
        ) from None


def _create(path: Path) -> None:
    """Write a new key so that a crash leaves either none or a whole one, and two starters agree on one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=MIN_BITS)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key is the key
            os.link(draft, path)
    finally:
        draft.unlink()
