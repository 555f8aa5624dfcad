"""Names of chains and accounts: one spelling each, and nothing else is read."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity import caip, ethereum, solana
from identity.caip import AccountId, ChainId, parse_account, parse_chain, wallet_subject
from identity.refusal import Reason, Refusal

ADDRESS = "0xab16a96D359eC26a11e2C2b3d8f8B8942d5Bfcdb"
SOLANA = "7S3P4HxJpyyigGzodYwHtCxZyUQe9JiBMHyRWXArAaKv"
MAINNET = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"

# The examples of CAIP-2 and CAIP-10.
CHAINS = [
    "eip155:1",
    "bip122:000000000019d6689c085ae165831e93",
    "cosmos:cosmoshub-3",
    "cosmos:Binance-Chain-Tigris",
    "starknet:SN_GOERLI",
    "chainstd:8c3444cf8970a9e41a706fab93e7a6c4",
    f"solana:{MAINNET}",
]
ACCOUNTS = [
    f"eip155:1:{ADDRESS}",
    "bip122:000000000019d6689c085ae165831e93:128Lkh3S7CkDTBZ8W7BbpsN3YYizJMp8p6",
    "cosmos:cosmoshub-3:cosmos1t2uflqwqe0fsj0shcfkrvpukewcw40yjj6hdc0",
    "starknet:SN_GOERLI:0x02dd1b492765c064eac4039e3841aa5f382773b598097a40073bd8b48170ab57",
    "chainstd:8c3444cf8970a9e41a706fab93e7a6c4:6d9b0b4b9994e8a6afbd3dc3ed983cd51c755afb27cd1dc7825ef59c134a39f7",
    "hedera:mainnet:0.0.1234567890-zbhlt",
    f"solana:{MAINNET}:{SOLANA}",
]


@pytest.mark.parametrize("text", CHAINS)
def test_the_chains_of_the_standard(text: str) -> None:
    chain = parse_chain(text)
    assert isinstance(chain, ChainId)
    assert str(chain) == text


@pytest.mark.parametrize("text", ACCOUNTS)
def test_the_accounts_of_the_standard(text: str) -> None:
    account = parse_account(text)
    assert isinstance(account, AccountId)
    assert str(account) == text


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "eip155", "eip155:", ":1", "ei:1", "eip155:1:", "eip155:01", "eip155:-1", "eip155:0x1", "EIP155:1",
        "eip155:1\n", "eip155:" + "1" * 33, "toolongname:1", "eip155: 1", "solana:mainnet", "eip155:\u0661",
        f"solana:{MAINNET[:-1]}0", "a" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_chain(text: str) -> None:
    assert isinstance(parse_chain(text), Refusal)


@pytest.mark.parametrize(
    "text",
    [
        "", ADDRESS, f"eip155:{ADDRESS}", f"eip155:1:{ADDRESS}\n", f"eip155:1:{ADDRESS}:", f"eip155:01:{ADDRESS}",
        f"eip155:1:{ADDRESS[:-1]}", f"eip155:1:{ADDRESS}0", f"eip155:1:{ADDRESS[2:]}", f"solana:{MAINNET}:{SOLANA[4:]}",
        f"solana:{MAINNET}:{'1' * 44}", f"solana:{MAINNET}:{ADDRESS}", "cosmos:x:" + "a" * 129, "cosmos:x:a b",
        "x" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_account(text: str) -> None:
    assert isinstance(parse_account(text), Refusal)


def test_mixed_case_is_a_checksum() -> None:
    for text in (ADDRESS.lower(), "0x" + ADDRESS[2:].upper()):
        account = parse_account(f"eip155:1:{text}")
        assert isinstance(account, AccountId)
        assert account.address == ADDRESS
    wrong = parse_account(f"eip155:1:0x{ADDRESS[2:].swapcase()}")
    assert isinstance(wrong, Refusal)
    assert wrong.reason is Reason.ADDRESS_CHECKSUM


OTHERS = st.text(string.ascii_lowercase + string.digits + "-", min_size=3, max_size=8).filter(
    lambda name: name not in {"eip155", "solana"}
)
REFERENCES = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=32)
CHAIN_IDS = st.one_of(
    st.builds(ChainId, OTHERS, REFERENCES),
    st.builds(ChainId, st.just("eip155"), st.integers(0, 10**31).map(str)),
    st.just(ChainId("solana", MAINNET)),
)
ADDRESSES = st.text(string.ascii_letters + string.digits + "-.%", min_size=1, max_size=128)


@st.composite
def account_ids(draw: st.DrawFn) -> AccountId:
    chain = draw(CHAIN_IDS)
    match chain.namespace:
        case "eip155":
            return AccountId(chain, ethereum.to_checksum(draw(st.binary(min_size=20, max_size=20))))
        case "solana":
            return AccountId(chain, solana.format_address(draw(st.binary(min_size=32, max_size=32))))
        case _:
            return AccountId(chain, draw(ADDRESSES))


@given(account_ids())
def test_what_is_written_reads_back_the_same(account: AccountId) -> None:
    assert len(str(account)) <= caip.MAX_LENGTH
    assert parse_account(str(account)) == account
    assert parse_chain(str(account.chain)) == account.chain


@given(st.text(max_size=200) | st.text("eip155solana:0x1aA", max_size=80))
def test_any_text_gives_a_value_in_its_one_spelling_or_a_refusal(text: str) -> None:
    chain, account = parse_chain(text), parse_account(text)
    assert isinstance(chain, Refusal) or str(chain) == text
    assert isinstance(account, Refusal) or str(account).lower() == text.lower()
    assert isinstance(wallet_subject(text), str | Refusal)


@pytest.mark.parametrize(
    ("typed", "subject"),
    [
        (ADDRESS, f"eip155:{ADDRESS.lower()}"),
        (f" {ADDRESS.lower()}\n", f"eip155:{ADDRESS.lower()}"),
        (f"eip155:10:{ADDRESS}", f"eip155:10:{ADDRESS.lower()}"),
        (SOLANA, f"solana:{SOLANA}"),
        (f"solana:{MAINNET}:{SOLANA}", f"solana:{SOLANA}"),
    ],
)
def test_what_people_type_names_a_wallet(typed: str, subject: str) -> None:
    assert wallet_subject(typed) == subject


@pytest.mark.parametrize(
    "typed",
    ["", "0x1234", "ann.eth", ADDRESS[:-1] + "c", SOLANA[:-4], SOLANA.replace("7", "0"), SOLANA.swapcase() + "1",
     "cosmos:cosmoshub-3:cosmos1abc", f"eip155:1:{ADDRESS[:-1]}", "did:key:z6Mk"],
)  # fmt: skip
def test_what_names_no_wallet(typed: str) -> None:
    assert isinstance(wallet_subject(typed), Refusal)


def test_the_name_agrees_with_the_one_a_login_proves() -> None:
    key = bytes(range(32))
    assert wallet_subject(solana.format_address(key)) == solana.subject(key)
    assert wallet_subject(ADDRESS) == ethereum.subject(bytes.fromhex(ADDRESS[2:]))
