"""DKIM keys in files of their own, below `<data>/keys/dkim/<domain>`: made on demand, readable by the node alone.

Each file is called by its selector and says on its first line from when on its key signs. A new pair signs only days
after it was made, so that its records are in the DNS by then; the old records stay there until its mail has arrived.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from node.base.errors import ConfigError
from node.mailauth.dkim_sign import SigningKey

RSA_BITS = 2048  # longer records do not fit into an answer over UDP everywhere
OVERLAP = 7 * 86400  # seconds that a replaced key's record stays published: mail waits that long in queues
MAX_FILE = 16 << 10

_FIRST_LINE = re.compile(r"# signs from ([0-9]{1,12})\n")
_SELECTOR = re.compile(r"[re][0-9]{8}[a-z]?\Z")


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A key and its time.

    Attributes:
        since: unix seconds from which it signs.
        until: unix seconds when the next of its kind signs instead, None while there is none.
    """

    key: SigningKey
    since: int
    until: int | None = None

    def signs(self, now: float) -> bool:
        """True in its time."""
        return self.since <= now and (self.until is None or now < self.until)

    def is_published(self, now: float) -> bool:
        """True while its record has to be in the DNS."""
        return self.until is None or now < self.until + OVERLAP


def load(folder: Path, domain: str) -> list[DkimKey]:
    """The domain's keys, oldest first; none where none were made.

    Raises:
        ConfigError: a file is readable by others or holds no key; the text says what to do.
    """
    place = folder / domain
    if not place.is_dir():
        return []
    found = sorted(
        (_load(path, domain) for path in place.glob("*.pem") if _SELECTOR.match(path.stem)), key=lambda one: one.since
    )
    return [DkimKey(one.key, one.since, _successor(one, found)) for one in found]


def make(folder: Path, domain: str, since: int) -> list[DkimKey]:
    """Make a new pair, RSA and Ed25519, that signs from `since` on; returns all of the domain's keys.

    Raises:
        ConfigError: see `load`; or the place cannot be used.
    """
    place = folder / domain
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        day = time.strftime("%Y%m%d", time.gmtime())
        tail = next(tail for tail in ("", *"bcdefghijklmnopqrstuvwxyz") if not (place / f"r{day}{tail}.pem").exists())
        _write(place / f"r{day}{tail}.pem", generate_private_key(65537, RSA_BITS), since)
        _write(place / f"e{day}{tail}.pem", Ed25519PrivateKey.generate(), since)
    except StopIteration:
        raise ConfigError(f"{domain} got 26 pairs of keys today: that is enough") from None
    except OSError as error:
        raise ConfigError(f"cannot keep keys in {place}: {error.strerror}") from None
    return load(folder, domain)


def load_or_make(folder: Path, domain: str, now: int) -> list[DkimKey]:
    """The domain's keys; the first pair is made at once.

    Raises:
        ConfigError: see `make`.
    """
    return load(folder, domain) or make(folder, domain, now)


def clear(folder: Path, domain: str, now: int) -> list[str]:
    """Remove keys whose records need not be published any more; returns their selectors.

    Raises:
        ConfigError: see `load`.
    """
    gone = [one.key.selector for one in load(folder, domain) if not one.is_published(now)]
    for selector in gone:
        (folder / domain / f"{selector}.pem").unlink(missing_ok=True)
    return gone


def _successor(one: DkimKey, keys: Sequence[DkimKey]) -> int | None:
    later = (other.since for other in keys if other.key.algorithm == one.key.algorithm and other.since > one.since)
    return min(later, default=None)


def _write(path: Path, key: RSAPrivateKey | Ed25519PrivateKey, since: int) -> None:
    """Write a key so that a crash leaves none or a whole one."""
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"# signs from %d\n" % since + text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # another process was first: its key is the key
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _load(path: Path, domain: str) -> DkimKey:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigError(f"the key file {path} is open to others: run `chmod 600 {path}`, and ask who read it")
            text = file.read(MAX_FILE)
    except OSError as error:
        raise ConfigError(f"cannot read the key file {path}: {error.strerror}") from None
    first = _FIRST_LINE.match(text[:64].decode("ascii", "replace"))
    try:
        key = load_pem_private_key(text[first.end() :] if first else b"", None)
    except ValueError:
        key = None
    if first is None or not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ConfigError(
            f"{path} is no DKIM key: restore it from a backup, or remove it and run `waxseal dkim rotate`"
        )
    return DkimKey(SigningKey(domain, path.stem, key), int(first[1]))
