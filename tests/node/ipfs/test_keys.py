"""Content keys: wrapped so that account, file and node open them and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.errors import ConfigError
from node.ipfs.cipher import SealError
from node.ipfs.keys import AccountKey, Keys, wrap

# Made with the node's secret 00..1f for account 7 and the file 00..0f; the content key is 40..5f.
SECRET, FILE, KEY = bytes(range(32)), bytes(range(16)), bytes(range(64, 96))
KIND_1 = bytes.fromhex(
    "01ac0834eaa136e604b9d67b95ac437b50b4ec237d2fea1d28e105dc9a22f8324b3054c4dc449bd05c7215ca2006ba9584c781b7a28e9f9bb7ff"
    "b1b62c39931c61a15d0a8ebec09dad"
)
PAIR = AccountKey(
    bytes.fromhex("d4a937b11a04e3984ab2fb129a421b2d4359b4bf64a96e0a42594fb5b685f43d"),
    bytes.fromhex(
        "015fd918b7956332dc4d8d8b483a8dddd544c3191bd8d8ea044e17cba2ca9e83b6d7140c8cc0b83aa210c8803de412916aa50ddfe22f6e0d"
        "60441a65151d145b51de95588d29c66daf"
    ),
)
KIND_2 = bytes.fromhex(
    "025ef1323654f10f1d19b78a97b49bcee4eef52074cfa0fcd6438c21bdcbdf8d38f6ed93fcd125faefea96d295ae734605563224a8843331b029"
    "ebbaac3b87654efd9fcc95d821695c1e4321939bba7398936efd0f8ff4ef464954b50ae9192b9cd64a3ee3854993d5"
)


def test_known_wraps_of_both_kinds_open() -> None:
    keys = Keys(SECRET)
    assert keys.unwrap(KIND_1, 7, FILE) == KEY
    assert keys.unwrap(KIND_2, 7, FILE, PAIR) == KEY


@pytest.mark.parametrize("kind", [1, 2])
def test_a_wrapped_key_opens_for_its_account_file_and_node_only(kind: int) -> None:
    keys, wrapped = Keys(SECRET), KIND_1 if kind == 1 else KIND_2
    for node, account, file in ((keys, 8, FILE), (keys, 7, bytes(16)), (Keys(bytes(32)), 7, FILE)):
        with pytest.raises(SealError):
            node.unwrap(wrapped, account, file, PAIR)


def test_wraps_of_kind_2_need_no_secret_and_open_with_the_account_s_key_alone() -> None:
    keys = Keys(SECRET)
    mine, other = keys.new_account(7), keys.new_account(7)
    wrapped = wrap(KEY, mine.public, 7, FILE)
    assert len(wrapped) == 1 + 48 + 56
    assert wrap(KEY, mine.public, 7, FILE) != wrapped
    assert keys.unwrap(wrapped, 7, FILE, mine) == KEY
    for pair in (other, AccountKey(mine.public, other.sealed), None):
        with pytest.raises(SealError):
            keys.unwrap(wrapped, 7, FILE, pair)
    # Sealed for account 7, yet naming another account inside: somebody moved it.
    with pytest.raises(SealError, match="meant for another"):
        keys.unwrap(wrap(KEY, mine.public, 8, FILE), 7, FILE, mine)


def test_a_small_secret_opens_for_what_it_was_hidden_for(tmp_path: Path) -> None:
    hidden = Keys.open(tmp_path / "keys").hide(b"secret", b"this")
    assert b"secret" not in hidden
    assert Keys.open(tmp_path / "keys").reveal(hidden, b"this") == b"secret"
    for keys, bound in ((Keys.open(tmp_path / "keys"), b"that"), (Keys.open(tmp_path / "others"), b"this")):
        with pytest.raises(SealError):
            keys.reveal(hidden, bound)


@given(st.binary(max_size=120) | st.binary(max_size=120).map(b"\2".__add__))
def test_any_bytes_are_no_wrapped_key(data: bytes) -> None:
    with pytest.raises(SealError):
        Keys(SECRET).unwrap(data, 7, FILE, PAIR)


def test_the_key_file_is_private(tmp_path: Path) -> None:
    Keys.open(tmp_path / "keys")
    path = tmp_path / "keys" / "attachments.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["attachments.key"]


def test_a_key_file_others_can_read_or_of_another_size_is_refused(tmp_path: Path) -> None:
    Keys.open(tmp_path)
    path = tmp_path / "attachments.key"
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Keys.open(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"half")
    with pytest.raises(ConfigError, match="backup"):
        Keys.open(tmp_path)
