"""TLS contexts and certificates: the operator's own, or a self-made CA so that TLS is on from the first minute."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from node.base.errors import ConfigError

_CA_DAYS = 3650
_LEAF_DAYS = 397  # what today's clients accept at most for a leaf
_RENEW_BEFORE_DAYS = 30


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where the chain and its key lie; `ca` is set for a self-made one: the file that clients import."""

    chain: Path
    key: Path
    ca: Path | None = None


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """A server's context: TLS 1.2 and newer (RFC 8996), no compression, no client certificates.

    Raises:
        ConfigError: when the files cannot be read or do not fit together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate.chain, certificate.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"tls: cannot use {certificate.chain} with {certificate.key}: {error}; "
            "check that both files exist, are readable, and belong together"
        ) from None
    return context


def self_made(directory: Path, hostname: str) -> Certificate:
    """Make (once) a CA and a certificate for `hostname`, localhost and loopback; renew the leaf before it expires.

    Args:
        directory: where `ca.pem`, `ca.key`, `server.pem` and `server.key` live; keys are readable by the owner only.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate = Certificate(directory / "server.pem", directory / "server.key", directory / "ca.pem")
    if not _is_current(certificate.chain, hostname):
        _issue(directory, hostname)
    return certificate


def _is_current(chain: Path, hostname: str) -> bool:
    if not chain.exists():
        return False
    leaf = x509.load_pem_x509_certificate(chain.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    left = leaf.not_valid_after_utc - dt.datetime.now(dt.UTC)
    return left.days > _RENEW_BEFORE_DAYS and hostname in names.get_values_for_type(x509.DNSName)


def _issue(directory: Path, hostname: str) -> None:
    ca, ca_key = _authority(directory, hostname)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(hostname), x509.DNSName("localhost")]
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hostname[:64])])
    leaf = (
        _builder(subject, ca.subject, key, _LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([*names, *addresses]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, ca))
    write_private(directory / "server.key", _pem(key))
    write_private(directory / "server.pem", chain, mode=0o644)


def _authority(directory: Path, hostname: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    file, key_file = directory / "ca.pem", directory / "ca.key"
    if file.exists() and key_file.exists():
        kept = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if isinstance(kept, ec.EllipticCurvePrivateKey):
            return x509.load_pem_x509_certificate(file.read_bytes()), kept
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Waxseal CA of {hostname}"[:64])])
    ca = (
        _builder(name, name, key, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .sign(key, hashes.SHA256())
    )
    write_private(key_file, _pem(key))
    write_private(file, ca.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return ca, key


_CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))  # clients' clocks differ
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file whole or not at all, with these permissions from its first moment."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
