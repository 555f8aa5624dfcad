"""Marks and hashed features: a closed order, bounded, and each mark where it belongs."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.data import synthetic
from ai.hashing import BUCKETS, MOST, hash_of_mark, hashes
from ai.marks import MARKS, brand_elsewhere, mark_numbers, marks, name_fits_domain
from ai.reasons import SPEAKING
from ai.view import text_view


def mail(
    sender: str = "Ann <ann@firm.example>",
    subject: str = "x",
    text: str = "y",
    html: str = "",
    reply: str = "",
    file: str = "",
) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = sender, subject
    if reply:
        message["Reply-To"] = reply
    message.set_content(html or text, subtype="html" if html else "plain")
    if file:
        message.add_attachment(b"x", maintype="application", subtype="octet-stream", filename=file)
    return message.as_bytes()


PLAIN = {"no-links", "short-text", "name-foreign", "domain-untold"}
SEEN = {
    "name-is-address": mail('"help@bank.example" <x@evil.example>'),
    "name-fits-domain": mail("Firm Newsletter <news@firm.example>"),
    "brand-own": mail("PayPal <service@paypal.com>"),
    "brand-elsewhere": mail("PayPal <service@pay-check.example>"),
    "odd-tld": mail("Ann <ann@firm.xyz>"),
    "free-mail": mail("Ann <ann@gmail.com>"),
    "replies-elsewhere": mail(reply="x@other.example"),
    "links-own": mail(text="see http://www.firm.example/x"),
    "links-elsewhere": mail(text="see http://other.example/x"),
    "link-odd-tld": mail(text="see http://other.top/x"),
    "free-hosting": mail(text="see https://x.web.app/login"),
    "link-mismatch": mail(html='<a href="http://evil.example">https://bank.example</a>'),
    "number-link": mail(text="see http://192.0.2.7/x"),
    "punycode": mail(text="see http://xn--80ak6aa92e.example/"),
    "shortener": mail(text="see https://bit.ly/abc"),
    "form": mail(html="<form><input name=a></form>"),
    "hidden-text": mail(html="<p>seen</p><div style='display:none'>" + "unseen words " * 60 + "</div>"),
    "disguised-letters": mail(text="vi\u200bag\u200bra ci\u200bal\u200bis ch\u200bea\u200bp"),
    "styled-letters": mail(text="\U0001d5d9\U0001d5e5\U0001d5d8\U0001d5d8\U0001d5e0\U0001d5e2\U0001d5e1"),
    "dangerous-file": mail(file="invoice.js"),
    "archive-file": mail(file="photos.zip"),
    "document-file": mail(file="report.pdf"),
    "image-only": mail(html='<img src="http://a.example/b.png">'),
    "long-text": mail(text="word " * 900),
    "no-name": mail("ann@firm.example"),
    "digits-in-domain": mail("Ann <ann@firm24.example>"),
    "user-fits-name": mail("Ann Lee <ann.lee@firm.example>"),
    "brand-in-text-elsewhere": mail(text="Your Netflix membership ends today."),
    "subject-shouts": mail(subject="URGENT ANSWER NEEDED"),
    "subject-emoji": mail(subject="Sale \U0001f525"),
    "name-foreign": mail("Ann <ann@firm.example>"),
    "domain-told": mail(text="Your order at Firm is on its way."),
    "domain-untold": mail(text="Your order is on its way: https://firm.example/x"),
    "no-links": mail(),
    "short-text": mail(),
}


def test_every_mark_has_a_case() -> None:
    assert set(SEEN) == set(MARKS)
    assert len(set(MARKS)) == len(MARKS)
    assert set(SPEAKING) <= set(MARKS)


@pytest.mark.parametrize("name", SEEN)
def test_a_mark_holds_where_it_should(name: str) -> None:
    assert name in marks(text_view(SEEN[name]))


def test_a_plain_note_has_hardly_any_mark() -> None:
    assert set(marks(text_view(mail()))) - PLAIN <= {"user-fits-name"}


@pytest.mark.parametrize(
    ("sender", "subject", "brand"),
    [
        ("PayPal Support <x@evil.example>", "Hello", "PayPal"),
        ("PаyPаl <x@evil.example>", "Hello", "PayPal"),  # Cyrillic letters
        ("PayPal <x@mail.paypal.com>", "Hello", ""),
        ("PayPal <x@paypal.fr>", "Hello", ""),
        ("Ann Chase <ann@chase-family.example>", "Hello", ""),
        ("Ann <ann@gmail.com>", "My Netflix evening", ""),
        ("Support <x@evil.example>", "Your Netflix account", "Netflix"),
        ("Tractor-Supply,Co <x@evil.example>", "Hello", "Tractor Supply"),
        ("Hardware ACE <x@evil.example>", "Hello", "Ace Hardware"),
        ("Sams Club Members <x@evil.example>", "Hello", "Sam's Club"),
        ("MysteryBox <x@evil.example>", "U.S.P.S_Giveaway", "USPS"),
        ("Synchrony for your PayPal card <x@synchrony.example>", "Hello", ""),
        ("PayPal by Paypal-Service <x@paypal-service.example>", "Hello", "PayPal"),
        ("Evening Digest <x@eveningdigest.example>", "What Amazon pays those who quit", ""),
        ("Help <x@evil.example>", "What Amazon pays those who quit", "Amazon"),
    ],
)
def test_brands_elsewhere(sender: str, subject: str, brand: str) -> None:
    assert brand_elsewhere(text_view(mail(sender, subject))) == brand


@pytest.mark.parametrize(
    ("sender", "fits"),
    [
        ("Keramikwerkstatt Tonart <laden@tonart-keramik.de>", True),
        ("IBM <x@ibm.com>", True),
        ("Harbor Freight Tools <x@harborfreight.com>", True),
        ("International Business Machines <x@ibm.com>", True),
        ("CDW BizTech <x@cdwemail.example>", True),
        ("Fernwick Bank <x@fernwick-secure-login.example>", False),
        ("Rewards Network <x@rewardsnetwork.example>", True),
        ("The New Deal <x@thenewstore.example>", False),
        ("Security Team <x@qpwoeiru.example>", False),
        ("<x@firm.example>", False),
    ],
)
def test_names_that_fit_their_domain(sender: str, fits: bool) -> None:
    assert name_fits_domain(text_view(mail(sender))) is fits


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=1500))
def test_marks_of_any_bytes_are_known_and_in_order(raw: bytes) -> None:
    numbers = mark_numbers(text_view(raw))
    assert list(numbers) == sorted(set(numbers))
    assert all(0 <= number < len(MARKS) for number in numbers)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=3000))
def test_features_of_any_bytes_are_bounded(raw: bytes) -> None:
    found = hashes(text_view(raw))
    assert list(found) == sorted(set(found))
    assert len(found) <= MOST
    assert all(0 <= number < BUCKETS for number in found)


def test_features_say_the_same_in_any_order_of_looking() -> None:
    raws = [sample.raw for sample in synthetic.samples(10, seed=2)]
    assert [hashes(text_view(raw)) for raw in raws] == [hashes(text_view(raw)) for raw in reversed(raws)][::-1]


def test_marks_are_features_of_their_own() -> None:
    view = text_view(SEEN["link-mismatch"])
    assert hash_of_mark("link-mismatch") in hashes(view)
    assert hash_of_mark("link-mismatch") not in hashes(text_view(SEEN["short-text"]))
    assert len({hash_of_mark(mark) for mark in MARKS}) == len(MARKS)


def test_dense_scripts_have_features_too() -> None:
    """Without spaces the words of a Japanese text would be one feature that never comes again."""
    one, other = (
        hashes(text_view(mail(text=text))) for text in ("会議は明日の十時からです", "次の会議は明後日の十時です")
    )
    assert len(set(one) & set(other)) > 5
