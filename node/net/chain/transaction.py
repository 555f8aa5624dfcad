"""Accounts and signed transactions of Ethereum-like chains: addresses (EIP-55), RLP, EIP-1559 signing."""

from __future__ import annotations

from dataclasses import dataclass

from coincurve import PrivateKey
from eth_hash.auto import keccak

Rlp = bytes | int | list["Rlp"]


def checksummed(address: bytes) -> str:
    """Twenty bytes as an EIP-55 address: the case of the letters is a checksum."""
    digits = address.hex()
    marks = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(m, 16) >= 8 else d for d, m in zip(digits, marks, strict=False))


def raw_address(address: str) -> bytes:
    """The twenty bytes of an address; its case is not looked at."""
    data = bytes.fromhex(address.removeprefix("0x"))
    if len(data) != 20:
        raise ValueError(f"{address} is no address: it needs 40 hexadecimal digits")
    return data


def address_of(key: bytes) -> str:
    """The account of a private key (32 bytes)."""
    return checksummed(keccak(PrivateKey(key).public_key.format(compressed=False)[1:])[12:])


def contract_address(deployer: str, nonce: int = 0) -> str:
    """Where a contract that `deployer` creates with its transaction number `nonce` will be (CREATE)."""
    return checksummed(keccak(rlp([raw_address(deployer), nonce]))[12:])


def rlp(item: Rlp) -> bytes:
    """Recursive length prefix (yellow paper, appendix B); integers big-endian without leading zeros."""
    if isinstance(item, list):
        body = b"".join(rlp(part) for part in item)
        return _prefix(len(body), 0xC0) + body
    data = item.to_bytes((item.bit_length() + 7) // 8, "big") if isinstance(item, int) else item
    return data if len(data) == 1 and data[0] < 0x80 else _prefix(len(data), 0x80) + data


def _prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(size)]) + size


@dataclass(frozen=True, slots=True)
class Transaction:
    """An EIP-1559 transaction without value, before it is signed. Fees in wei for one gas."""

    chain_id: int
    nonce: int
    tip: int
    max_fee: int
    gas: int
    to: str | None
    data: bytes

    def sign(self, key: bytes) -> bytes:
        """The signed transaction as it is sent; its hash is the keccak of these bytes (EIP-2718)."""
        to = raw_address(self.to) if self.to else b""
        fields: list[Rlp] = [self.chain_id, self.nonce, self.tip, self.max_fee, self.gas, to, 0, self.data, []]
        digest = keccak(b"\x02" + rlp(fields))
        signature = PrivateKey(key).sign_recoverable(digest, hasher=None)  # RFC 6979 nonce, low s (EIP-2)
        r, s, parity = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
        return b"\x02" + rlp([*fields, parity, r, s])
