"""Threats: an attack and its harmless twin for each reason, and what holds whatever comes in."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.classes import Classes
from ai.context import Context
from ai.impostors import bears_name
from ai.lookalikes import How, brand_likeness, decoded, is_slip, own_likeness
from ai.threat import MODEL_WEIGHT, MOST, Threat, ThreatReason, assess
from ai.view import text_view

CASES = Path(__file__).parent / "threats"
HOUSE = Context(
    recipient_domains=("house.example",),
    recipient_names=("Ann Miller",),
    colleague_names=("Bob Turner", "Carla Weiß", "山田太郎"),
    own_hosts=("mx.house.example", "mail.house.example"),
    first_contact=True,
)
KNOWN = Context(recipient_domains=("house.example",), colleague_names=("Bob Turner",), first_contact=False)
ANSWER = Context(recipient_domains=("house.example",), colleague_names=("Bob Turner",), reply_to_ours=True)
WEAK = {"NUMBER", "ENCRYPTED", "ACTIVE", "WEB_PAGE", "MACROS", "LOCKED"}  # clues that are told but decide nothing alone


def judged(name: str, context: Context = HOUSE) -> Threat:
    return assess(text_view((CASES / name).read_bytes()), context)


def attacks() -> list[str]:
    return sorted(path.name for path in CASES.glob("*.attack.eml"))


@pytest.mark.parametrize("name", attacks())
def test_an_attack_is_told_and_its_harmless_twin_is_not(name: str) -> None:
    reason = ThreatReason[name.partition(".")[0][3:].replace("-", "_").upper()]
    attack, twin = judged(name), judged(name.replace("attack", "harmless"))
    assert reason in attack.reasons
    assert reason not in twin.reasons
    assert twin.score <= 0.35
    assert attack.score > 0.45 or reason.name in WEAK


def test_every_rule_has_a_case() -> None:
    models = {reason.name for reason in ThreatReason if reason.name.startswith("MODEL_")}
    told = {name.partition(".")[0][3:].replace("-", "_").upper() for name in attacks()}
    assert told == {reason.name for reason in ThreatReason} - models


@pytest.mark.parametrize("name", [name for name in attacks() if "program" in name])
def test_programs_are_certain_whoever_sends_them(name: str) -> None:
    for context in (HOUSE, KNOWN, ANSWER):
        threat = judged(name, context)
        assert threat.is_executable
        assert threat.score >= 0.9


def test_what_is_known_of_the_sender_weakens_words_but_not_to_nothing() -> None:
    strange, known, answer = (judged("01-login.attack.eml", context) for context in (HOUSE, KNOWN, ANSWER))
    assert strange.score > known.score > answer.score > 0.3
    assert ThreatReason.IMPOSTOR not in judged("13-impostor.attack.eml", KNOWN).reasons
    assert judged("13-impostor.attack.eml", ANSWER).score == 0


def test_without_context_nothing_is_known_and_nothing_is_claimed() -> None:
    assert judged("13-impostor.attack.eml", Context()).score == 0
    assert judged("01-login.attack.eml", Context()).score == 0


def test_the_model_and_the_rules_are_joined_as_independent_causes() -> None:
    view = text_view((CASES / "12-number.attack.eml").read_bytes())
    alone = assess(view, HOUSE).score
    together = assess(view, HOUSE, Classes(phishing=0.8))
    assert together.score == pytest.approx(1 - (1 - alone) * (1 - MODEL_WEIGHT * 0.8), abs=1e-3)
    assert together.reasons[0] is ThreatReason.MODEL_PHISHING
    nothing = text_view(b"From: a@b.example\n\nhello\n")
    assert assess(nothing, HOUSE, Classes(spam=1.0, bulk=1.0)) == Threat(0.0, ())
    assert assess(nothing, HOUSE, Classes(scam=1.0)).score == pytest.approx(MODEL_WEIGHT)


@given(
    st.binary(max_size=600),
    st.text(max_size=80),
    st.text(max_size=60),
    st.lists(st.text(max_size=60), max_size=4),
    st.floats(0, 1),
    st.sampled_from([True, False, None]),
)
def test_whatever_comes_in_the_score_is_bounded(
    body: bytes, name: str, host: str, own: list[str], probability: float, first: bool | None
) -> None:
    raw = f"From: {name} <a@{host}>\nReply-To: b@{host}\nSubject: {name}\n\nhttps://{host}/ {name} ".encode() + body
    context = Context(tuple(own), tuple(own), (name, *own), tuple(own), first)
    threat = assess(text_view(raw), context, Classes(phishing=probability))
    assert 0 <= threat.score <= MOST
    assert len(set(threat.reasons)) == len(threat.reasons)


@given(st.text(max_size=300), st.lists(st.text(max_size=80), max_size=5))
def test_any_host_has_an_answer(host: str, own: list[str]) -> None:
    brand_likeness(host)
    own_likeness(host, own)
    assert len(decoded(host)) <= 260


@pytest.mark.parametrize(
    ("host", "of", "how"),
    [
        ("paypa1.com", "PayPal", How.LETTERS),
        ("xn--80aa0cbo65f.com", "PayPal", How.LETTERS),
        ("rnicrosoft.com", "Microsoft", How.LETTERS),
        ("www.paypal.com.evil.example", "PayPal", How.INSIDE),
        ("amazom.com", "Amazon", How.SLIP),
        ("paypal-login.com", "PayPal", How.LURE),
        ("amazon.xyz", "Amazon", How.ENDING),
    ],
)
def test_look_alikes_of_well_known_domains(host: str, of: str, how: How) -> None:
    found = brand_likeness(host)
    assert found
    assert (found.of, found.how) == (of, how)


@pytest.mark.parametrize(
    "host",
    ["paypal.com", "www.amazon.de", "microsoft.fr", "shopify.com", "gitlab.com", "xn--nxasmq6b.example", "", "xn--"],
)
def test_domains_that_resemble_nobody(host: str) -> None:
    assert brand_likeness(host) is None


def test_look_alikes_of_our_own_domain() -> None:
    def how(host: str) -> How | None:
        found = own_likeness(host, ("house.example", "gardens.example"))
        return found.how if found else None

    assert how("h0use.example") is How.LETTERS
    assert how("mail.house.example.evil.example") is How.INSIDE
    assert how("gadrens.example") is how("gardenss.example") is How.SLIP
    assert how("house-login.example") is How.LURE
    assert how("house.xyz") is How.ENDING
    assert how("house.example") is how("mail.house.example") is how("mouse.example") is how("house.test") is None


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_a_slip_is_an_edit_distance_of_one(one: str, other: str) -> None:
    def edits(word: str) -> set[str]:
        cut = {word[:at] + word[at + 1 :] for at in range(len(word))}
        put = {word[:at] + letter + word[at:] for at in range(len(word) + 1) for letter in "abc"}
        new = {word[:at] + letter + word[at + 1 :] for at in range(len(word)) for letter in "abc"}
        swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)}
        return (cut | put | new | swapped) - {word}

    assert is_slip(one, other) == (other in edits(one))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("Bob Turner", True),
        ("TURNER, Bob (CEO)", True),
        ("Воb Turner", True),  # two Cyrillic letters
        ("Bob T. Turner", True),
        ("Bob", False),
        ("Bobby Turner", False),
        ("山田 太郎", True),
        ("山田花子", False),
        ("", False),
    ],
)
def test_whose_name_a_sender_bears(shown: str, expected: bool) -> None:
    assert bears_name(shown, ("Bob Turner", "山田太郎", "Ann")) is expected


def test_rules_cost_little_on_the_worst_mail() -> None:
    links = "".join(
        f'<a href="https://paypal.com.a{n}.house.example.evil{n}.example/">https://house.example/{n}</a>'
        for n in range(60)
    )
    words = "mailbox password house.example are you available gift card " * 400
    head = "From: Bob Turner <a@h0use.example>\nReply-To: x@gmail.com\nSubject: password\nContent-Type: text/html\n\n"
    raw = f"{head}{links}{words}"
    view = text_view(raw.encode())
    crowd = Context(HOUSE.recipient_domains, (), tuple(f"Person{n} Name{n}" for n in range(200)), HOUSE.own_hosts, True)
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        assert assess(view, crowd).score > 0.9
        spent.append(time.perf_counter() - began)
    assert min(spent) < 0.02
