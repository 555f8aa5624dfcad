"""Accounts and signed transactions of Ethereum-like chains: addresses (EIP-55), RLP, EIP-1559 signing."""

from __future__ import annotations

from dataclasses import dataclass

from coincurve import PrivateKey, PublicKey
from eth_hash.auto import keccak

Rlp = bytes | int | list["Rlp"]

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1


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

    @property
    def cost(self) -> int:
        """What it may cost at most, in wei."""
        return self.gas * self.max_fee


class NoTransaction(ValueError):
    """The bytes are no signed EIP-1559 transaction of the one spelling that is allowed."""


def parse_rlp(data: bytes, depth: int = 4) -> Rlp:
    """Read one RLP item, of its one spelling; integers stay bytes.

    Args:
        depth: lists in lists; more are refused.

    Raises:
        NoTransaction: malformed, or something stands behind the item.
    """
    item, end = _item(data, 0, depth)
    if end != len(data):
        raise NoTransaction("bytes stand behind the RLP item")
    return item


def _item(data: bytes, at: int, depth: int) -> tuple[Rlp, int]:
    if at >= len(data):
        raise NoTransaction("RLP ends too early")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list = first >= 0xC0
    start, size = _size(data, at, first - (0xC0 if is_list else 0x80))
    end = start + size
    if end > len(data):
        raise NoTransaction("RLP ends too early")
    if not is_list:
        if size == 1 and data[start] < 0x80:
            raise NoTransaction("RLP of a longer spelling than needed")
        return data[start:end], end
    if not depth:
        raise NoTransaction("RLP is nested too deeply")
    items: list[Rlp] = []
    while start < end:
        item, start = _item(data[:end], start, depth - 1)
        items.append(item)
    return items, end


def _size(data: bytes, at: int, code: int) -> tuple[int, int]:
    """Where the content begins, and its length; `code` is the prefix without its offset."""
    if code < 56:
        return at + 1, code
    start = at + 1 + code - 55
    text = data[at + 1 : start]
    size = int.from_bytes(text, "big")
    if len(text) != code - 55 or text[:1] in {b"", b"\0"} or size < 56:
        raise NoTransaction("RLP of a longer spelling than needed")
    return start, size


def parse_signed(raw: bytes) -> tuple[Transaction, str]:
    """A signed transaction's fields, and the account that signed it.

    Raises:
        NoTransaction: no EIP-1559 transaction, one that moves value or has an access list, or whose signature is
            nobody's or not the lower of the two possible (EIP-2).
    """
    fields = parse_rlp(raw[1:]) if raw[:1] == b"\x02" else []
    if not isinstance(fields, list) or len(fields) != 12 or fields[8] != []:
        raise NoTransaction("this is no EIP-1559 transaction without an access list")
    words = [part for part in fields if isinstance(part, bytes)]
    if len(words) != 11:
        raise NoTransaction("a field of the transaction is a list")
    chain_id, nonce, tip, max_fee, gas, value, parity, r, s = map(_integer, (*words[:5], words[6], *words[8:]))
    to, data = words[5], words[7]
    if value or len(to) not in {0, 20} or parity > 1 or not 0 < s <= ORDER // 2 or not 0 < r < ORDER:
        raise NoTransaction("the transaction moves value, or its receiver or signature is malformed")
    digest = keccak(b"\x02" + rlp(fields[:9]))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([parity])
    try:
        signer = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except Exception:  # noqa: BLE001 - coincurve raises a bare one
        raise NoTransaction("the signature is nobody's") from None
    sender = checksummed(keccak(signer.format(compressed=False)[1:])[12:])
    return Transaction(chain_id, nonce, tip, max_fee, gas, checksummed(to) if to else None, data), sender


def _integer(data: bytes) -> int:
    if data[:1] == b"\0" or len(data) > 32:
        raise NoTransaction("a number of a longer spelling than needed")
    return int.from_bytes(data, "big")
