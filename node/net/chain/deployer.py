"""The deterministic deployment proxy: it stands at the same address on nearly every chain, and creates contracts there.

It takes 32 octets of salt and a contract's creation code and makes it with CREATE2 (EIP-1014), so that the contract's
address follows from its code. Source: github.com/Arachnid/deterministic-deployment-proxy.
"""

from __future__ import annotations

DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C"

# What puts it on a chain: a transaction of an account whose key nobody has (the signature is 0x22..22 twice, and the
# account follows from it), for 100,000 gas at 100 Gwei: the account needs 10,000,000 Gwei before.
MAKER = "0x3fAB184622Dc19b6109349B94811493BF2a45362"
MAKER_GWEI = 10_000_000
TRANSACTION = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe"
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    "1ba0" + "22" * 32 + "a0" + "22" * 32
)
