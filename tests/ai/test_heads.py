"""Online heads: bounded whatever they are taught, alike after a round trip, and fading."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.classifier import Classifier
from ai.hashing import BUCKETS, MOST
from ai.heads import DAY, MAX_PURSES, NODE, PERSON, Head, HeadError, Policy, scheme
from ai.lessons import Facts, Lesson, Purse, Trainer, digest, facts_of, unpack_facts
from ai.teachers import NODE_ACCOUNT, NODE_SENDER, Source, for_node, for_person

NOW = 1_790_000_000
POLICIES = [PERSON, NODE]

features = st.lists(st.integers(0, BUCKETS - 1), max_size=40).map(lambda found: tuple(sorted(set(found))))
facts = st.builds(
    Facts,
    features,
    st.floats(-20, 20, width=32),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
lessons = st.lists(
    st.builds(
        Lesson,
        facts,
        st.booleans(),
        st.floats(0, 1),
        st.integers(NOW, NOW + 1000 * DAY),
        st.lists(st.builds(Purse, st.integers(0, 5), st.floats(0.1, 3)), max_size=2).map(tuple),
    ),
    max_size=25,
)


def message(seed: int, words: int = 200) -> tuple[int, ...]:
    return tuple(sorted(random.Random(seed).sample(range(BUCKETS), words)))


def like(one: tuple[int, ...], seed: int, share: float = 0.7) -> tuple[int, ...]:
    """Another message that has this share of its features in common."""
    rng = random.Random(seed)
    kept = rng.sample(one, round(share * len(one)))
    return tuple(sorted(set(kept) | set(rng.sample(range(BUCKETS), len(one) - len(kept)))))


def lesson(
    hashes: tuple[int, ...], excess: float, is_spam: bool, time: int = NOW, sender: int = 1, weight: float = 1.0
) -> Lesson:
    return Lesson(Facts(hashes, excess, sender, sender), is_spam, weight, time)


def taught(policy: Policy, *given: Lesson) -> Head:
    trainer = Trainer(Head.empty(policy))
    trainer.learn_all(given)
    return trainer.head()


# --- learning


def test_one_correction_frees_the_next_message_like_it_and_hardly_moves_others() -> None:
    news = message(1)
    head = taught(PERSON, lesson(news, 3.0, False))
    assert head.correction(like(news, 2), NOW) < -3.0
    assert abs(head.correction(message(3), NOW)) < 0.3
    assert head.correction((), NOW) == pytest.approx(0, abs=0.05)


def test_what_the_model_knows_already_teaches_little() -> None:
    surprise = taught(PERSON, lesson(message(1), -3.0, True)).correction(message(1), NOW)
    known = taught(PERSON, lesson(message(1), 6.0, True)).correction(message(1), NOW)
    assert surprise > 3.0
    assert 0 <= known < 0.2 * surprise


def test_a_later_word_turns_an_earlier_one_round() -> None:
    news = message(1)
    head = taught(PERSON, lesson(news, 0.5, False), *(lesson(like(news, n), 0.5, True) for n in range(6)))
    assert head.correction(like(news, 99), NOW) > 0


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=30, deadline=None)
@given(given_lessons=lessons, asked=features, later=st.integers(0, 3000))
def test_corrections_are_bounded_and_pulls_never_exceed_weights(
    policy: Policy, given_lessons: list[Lesson], asked: tuple[int, ...], later: int
) -> None:
    trainer = Trainer(Head.empty(policy))
    for one in given_lessons:
        assert 0 <= trainer.learn(one) <= one.weight + 1e-6
    head = trainer.head()
    assert -policy.reach <= head.correction(asked, NOW + later * DAY) <= policy.reach


@settings(max_examples=30, deadline=None)
@given(given_lessons=lessons, asked=features)
def test_a_lesson_moves_no_message_further_than_its_pull_allows(
    given_lessons: list[Lesson], asked: tuple[int, ...]
) -> None:
    trainer = Trainer(Head.empty(NODE))
    for one in given_lessons:
        day = max(trainer.head().day, one.time // DAY) * DAY
        before = trainer.head().correction(asked, day)
        pull = trainer.learn(one)
        moved = abs(trainer.head().correction(asked, day) - before)
        assert moved <= pull * NODE.rate / NODE.beta + 1e-3


@settings(max_examples=30, deadline=None)
@given(given_lessons=lessons)
def test_purses_are_never_overdrawn(given_lessons: list[Lesson]) -> None:
    trainer, spent = Trainer(Head.empty(PERSON)), {}
    for one in given_lessons:
        purses = tuple(Purse(purse.key, 1.5) for purse in one.purses)
        pull = trainer.learn(Lesson(one.facts, one.is_spam, one.weight, NOW, purses))
        for key in {purse.key for purse in purses}:
            spent[key] = spent.get(key, 0.0) + pull
    assert all(value <= 1.5 + 1e-3 for value in spent.values())


def test_the_most_purses_and_weights_are_bounded() -> None:
    small = Policy(rate=2.0, beta=0.1, l1=0.0, reach=5.0, doubt=1.0, half_life=100.0, most_weights=1000)
    trainer = Trainer(Head.empty(small))
    for number in range(MAX_PURSES + 500):
        hashes = message(number, 20)
        trainer.learn(Lesson(Facts(hashes, 0.0, 0, 0), True, 1.0, NOW, (Purse(number, 1.0),)))
    head = trainer.head()
    assert len(head.purses) <= MAX_PURSES
    assert len(head) <= 1000 + 64 * MOST
    assert Head.from_bytes(head.to_bytes(), small).to_bytes() == head.to_bytes()


# --- order, time


def test_the_same_lessons_in_the_same_order_give_the_same_bytes() -> None:
    given = [lesson(message(n % 5), 1.0 - n % 3, n % 2 == 0, NOW + n * 7000) for n in range(50)]
    assert taught(PERSON, *given).to_bytes() == taught(PERSON, *given).to_bytes()


def test_order_changes_little_where_lessons_agree() -> None:
    given = [lesson(like(message(1), n), 2.0, False) for n in range(8)]
    forth, back = taught(PERSON, *given), taught(PERSON, *reversed(given))
    asked = like(message(1), 100)
    assert forth.correction(asked, NOW) == pytest.approx(back.correction(asked, NOW), rel=0.25)


def test_what_was_learned_halves_with_each_half_life() -> None:
    head = taught(NODE, lesson(message(1), 1.0, False, weight=0.5))
    first = head.correction(message(1), NOW)
    assert -NODE.reach < first < -0.1
    for lives in (1, 2, 5):
        then = NOW + round(lives * NODE.half_life) * DAY
        assert head.correction(message(1), then) == pytest.approx(first / 2**lives, rel=0.02)
    assert head.correction(message(1), NOW - 500 * DAY) == pytest.approx(first), "a clock that goes back fades nothing"


def test_learning_on_after_a_pause_starts_from_what_faded() -> None:
    trainer = Trainer(Head.empty(NODE))
    trainer.learn(lesson(message(1), 1.0, False, weight=0.5))
    first = trainer.head().correction(message(1), NOW)
    later = NOW + round(NODE.half_life) * DAY
    trainer.learn(lesson(message(2), 1.0, False, later, weight=0.5))
    assert trainer.head().correction(message(1), later) == pytest.approx(first / 2, rel=0.1)


# --- bytes


@settings(max_examples=30, deadline=None)
@given(first=lessons, second=lessons, asked=features)
def test_a_head_read_back_answers_and_learns_alike(
    first: list[Lesson], second: list[Lesson], asked: tuple[int, ...]
) -> None:
    trainer = Trainer(Head.empty(PERSON))
    trainer.learn_all(first)
    again = Trainer(Head.from_bytes(trainer.head().to_bytes(), PERSON))
    trainer.learn_all(second)
    again.learn_all(second)
    assert again.head().to_bytes() == trainer.head().to_bytes()
    assert again.head().correction(asked, NOW) == trainer.head().correction(asked, NOW)


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_a_head_or_a_head_error(content: bytes) -> None:
    for bytes_ in (content, b"WXHD" + content, _sealed(content)):
        with pytest.raises(HeadError):
            Head.from_bytes(bytes_, PERSON)


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7), cut=st.integers(1, 60))
def test_damage_is_noticed(at: int, bit: int, cut: int) -> None:
    whole = taught(PERSON, lesson(message(1), 1.0, False)).to_bytes()
    damaged = bytearray(whole)
    damaged[at % len(whole)] ^= 1 << bit
    for bad in (bytes(damaged), whole[:-cut], whole + b"x" * cut):
        with pytest.raises(HeadError):
            Head.from_bytes(bad, PERSON)


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=400), weights=st.integers(0, 40))
def test_a_forged_body_with_a_right_checksum_gives_a_sane_head_or_a_head_error(body: bytes, weights: int) -> None:
    about = (b"WXHD", 1, scheme(), PERSON.fingerprint, 20_000, 3, weights, 0.0, 1.0)
    content = struct.pack("<4sHIIqIIff", *about) + zlib.compress(body)
    try:
        head = Head.from_bytes(_closed(content), PERSON)
    except HeadError:
        return
    assert -PERSON.reach <= head.correction(message(1), NOW) <= PERSON.reach


def test_a_bomb_is_not_unpacked() -> None:
    about = (b"WXHD", 1, scheme(), PERSON.fingerprint, 20_000, 3, 5, 0.0, 1.0)
    content = struct.pack("<4sHIIqIIff", *about) + zlib.compress(bytes(32 << 20), 1)
    with pytest.raises(HeadError):
        Head.from_bytes(_closed(content), PERSON)


def test_a_head_taught_under_another_policy_is_none() -> None:
    with pytest.raises(HeadError):
        Head.from_bytes(taught(PERSON, lesson(message(1), 1.0, False)).to_bytes(), NODE)


def _closed(content: bytes) -> bytes:
    return content + struct.pack("<I", zlib.crc32(content))


def _sealed(content: bytes) -> bytes:
    return _closed(b"WXHD" + content)


# --- facts


@settings(max_examples=100, deadline=None)
@given(one=facts)
def test_facts_come_back(one: Facts) -> None:
    assert unpack_facts(one.pack()) == one


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_facts_or_none(content: bytes) -> None:
    for packed in (content, zlib.compress(content)):
        found = unpack_facts(packed)
        assert found is None or all(0 <= each < BUCKETS for each in found.hashes)


def test_facts_hold_no_text_and_do_not_depend_on_our_own_trace() -> None:
    text = b"From: Nora <nora@far.example>\r\nSubject: the blue teapot\r\n\r\nIt has arrived, thank you.\r\n"
    found = facts_of(text, 1.0)
    assert found == facts_of(b"Return-Path: <x@y.example>\r\nX-Waxseal-Verdict: mx; content=ham\r\n" + text, 1.0)
    unpacked = zlib.decompress(found.pack())
    assert not any(word in unpacked for word in (b"nora", b"teapot", b"arrived"))
    assert found.sender == digest("nora@far.example")


# --- poison


def _wrong(number: int, sender: int) -> Facts:
    """A message very like the victim's, from one of the attacker's senders."""
    return Facts(_likes()[number % 200], -5.0, sender, sender)


@cache
def _likes() -> list[tuple[int, ...]]:
    return [like(message(7), number, 0.95) for number in range(200)]


def test_one_account_with_ten_thousand_wrong_lessons_does_not_move_the_node_beyond_its_bound() -> None:
    trainer = Trainer(Head.empty(NODE))
    for number in range(10_000):
        trainer.learn(for_node(_wrong(number, number), True, Source.MOVED, NOW, 666))
    bound = NODE_ACCOUNT * NODE.rate / NODE.beta
    assert 0.1 < trainer.head().correction(message(7), NOW) <= bound + 1e-3
    assert bound <= 1.0


def test_nor_does_it_undo_what_others_taught() -> None:
    honest = Trainer(Head.empty(NODE))
    for account in range(10):
        honest.learn(
            for_node(Facts(like(message(7), account), 1.0, account, account), False, Source.MOVED, NOW, account)
        )
    before = honest.head().correction(message(7), NOW)
    for number in range(10_000):
        honest.learn(for_node(_wrong(number, number), True, Source.MOVED, NOW, 666))
    assert abs(honest.head().correction(message(7), NOW) - before) <= NODE_ACCOUNT * NODE.rate / NODE.beta + 1e-3


def test_many_accounts_about_one_sender_are_bounded_too() -> None:
    trainer = Trainer(Head.empty(NODE))
    for account in range(3000):
        trainer.learn(for_node(_wrong(account, 5), True, Source.MOVED, NOW, account))
    assert trainer.head().correction(message(7), NOW) <= NODE_SENDER * NODE.rate / NODE.beta + 1e-3


def test_many_accounts_that_agree_do_move_the_node() -> None:
    trainer = Trainer(Head.empty(NODE))
    for account in range(60):
        trainer.learn(for_node(_wrong(account, account), True, Source.MOVED, NOW, account))
    alone = Trainer(Head.empty(NODE))
    alone.learn(for_node(_wrong(0, 0), True, Source.MOVED, NOW, 0))
    assert trainer.head().correction(message(7), NOW) > 2 * alone.head().correction(message(7), NOW)


def test_one_sender_cannot_condemn_another() -> None:
    """Somebody sends a person spam in the words of a newsletter and has it junked a thousand times."""
    news = message(7)
    trainer = Trainer(Head.empty(PERSON))
    for number in range(1000):
        spam = Facts(like(news, number, 0.3), -1.0, 13, 13)
        trainer.learn(for_person(spam, True, Source.MOVED, NOW))
    usual = -8.5  # the median excess of ham in the test corpus
    assert usual + trainer.head().correction(news, NOW) < 0, "a newsletter that the model is sure of stays"


def test_replies_teach_the_person_a_little_and_the_node_nothing() -> None:
    one = Facts(message(1), 2.0, 1, 1)
    reply, moved = Trainer(Head.empty(PERSON)), Trainer(Head.empty(PERSON))
    assert (
        0
        < reply.learn(for_person(one, False, Source.REPLIED, NOW))
        < moved.learn(for_person(one, False, Source.MOVED, NOW))
    )
    assert Trainer(Head.empty(NODE)).learn(for_node(one, False, Source.REPLIED, NOW, 1)) == 0


def test_traps_are_bounded_together_and_administrators_are_not() -> None:
    traps, admin = Trainer(Head.empty(NODE)), Trainer(Head.empty(NODE))
    pulled = sum(traps.learn(for_node(_wrong(n, n), True, Source.TRAP, NOW, None)) for n in range(2000))
    said = sum(
        admin.learn(for_node(Facts(message(n), -5.0, 1, 1), True, Source.ADMINISTRATOR, NOW, None)) for n in range(200)
    )
    assert pulled <= 10.0 + 1e-2
    assert said > 100


def test_lessons_and_verdicts_have_the_same_features() -> None:
    raw = b"From: Nora <nora@far.example>\r\nSubject: teapot\r\n\r\n" + b"It has arrived, thank you all. " * 400
    assert facts_of(raw, 0.0).hashes == Classifier.load().score(raw).hashes
