"""App passwords as secrets."""

from __future__ import annotations

import math

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from node.auth import secret


def test_it_holds_at_least_a_hundred_random_bits() -> None:
    made = {secret.generate() for _ in range(200)}
    assert len(made) == 200
    assert all(len(text.replace("-", "")) == secret.LENGTH for text in made)
    assert set("".join(made)) == set(secret.ALPHABET) | {"-"}
    assert secret.LENGTH * math.log2(len(set(secret.ALPHABET))) >= 100


@pytest.mark.parametrize("typed", ["K7M2P-9XQ4R-TJ3VW-8N5HD", "k7m2p9xq4rtj3vw8n5hd", " k7m2p 9xq4r tj3vw 8n5hd "])
def test_how_it_is_typed_does_not_matter(typed: str) -> None:
    assert secret.normalize(typed) == b"k7m2p9xq4rtj3vw8n5hd"


def test_letters_that_look_alike_are_the_same() -> None:
    assert secret.normalize("O0oIiLl1") == b"00011111"


@given(st.text(max_size=300))
def test_anything_can_be_typed(typed: str) -> None:
    assert len(secret.normalize(typed)) <= 4 * secret.MAX_TYPED


def test_the_stored_form_is_argon2s_own() -> None:
    stored = secret.derive(b"k7m2p9xq4rtj3vw8n5hd", b"s" * 16)
    assert PasswordHasher().verify(stored, b"k7m2p9xq4rtj3vw8n5hd")
    assert secret.salt_of(secret.recipe(stored)) == b"s" * 16
    assert secret.matches(secret.derive_like(b"k7m2p9xq4rtj3vw8n5hd", secret.recipe(stored)), stored)
    assert not secret.matches(secret.derive_like(b"k7m2p9xq4rtj3vw8n5he", secret.recipe(stored)), stored)


def test_a_nobody_costs_what_somebody_costs() -> None:
    assert secret.NOBODY.rpartition("$")[0] == secret.recipe(secret.derive(b"", b"s" * 16)).rpartition("$")[0]
    assert secret.derive_like(b"x", secret.NOBODY).startswith(secret.NOBODY + "$")


def test_a_damaged_hash_is_an_error_and_no_login() -> None:
    with pytest.raises(ValueError, match="damaged"):
        secret.derive_like(b"x", "$argon2i$v=19$m=8,t=1,p=1$AAAA")
