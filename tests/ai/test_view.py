"""The view: nothing that only a corpus owner knows gets in, nothing makes it raise, nothing makes it slow."""

from __future__ import annotations

import base64
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.view import HEAD, TAIL, model_text, registrable, text_view

MAIL = (
    b"Received: from honeypot by mx\r\nList-Id: <secret-list.example>\r\nX-Spam-Status: Yes\r\n"
    b"Authentication-Results: mx; dkim=fail\r\nDate: Mon, 2 Apr 2007 10:00:00 +0000\r\n"
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@news.shop.example>\r\nReply-To: <x@other.example>\r\n"
    b"To: secret-person@corpus.example\r\nSubject: Re: [secret-tag] =?utf-8?b?R3LDvMOfZQ==?= \r\n"
    b' =?utf-8?q?_f=C3=BCr_dich?=\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nplain words\r\n--b\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)
HTML = (
    "<html><head><title>t</title><style>p{}</style></head><body><!-- a < b -->"
    '<div style="display:none">unseen words</div><p>Vis\u200bible &amp; \uff46\uff55\uff4c\uff4c</p>'
    '<a href="https://evil.example/x">https://bank.example/login</a><a href="http://192.0.2.7/">go</a>'
    "<script>code()</script><img src=x><form><input></form></body></html>"
)


def mail_with(html: str) -> bytes:
    return MAIL + base64.encodebytes(html.encode()) + b"--b--\r\n"


def html_mail(html: str) -> bytes:
    return b"From: a@b.example\nContent-Type: text/html; charset=utf-8\n\n" + html.encode()


def test_reads_what_a_person_sees() -> None:
    view = text_view(mail_with(HTML))
    assert view.subject == "Re: Grüße für dich"
    assert (view.from_name, view.from_domain, view.reply_domain) == ("Jürgen", "news.shop.example", "other.example")
    assert view.text == "Visible & full https://bank.example/login go"
    assert view.links == ("evil.example", "192.0.2.7")
    assert view.link_mismatches == 1
    assert view.has_address_link
    assert (view.hidden, view.disguises.zero_width, view.images, view.inputs) == (len("unseenwords"), 1, 1, 2)


def test_what_a_corpus_owner_added_never_enters() -> None:
    text = str(model_text(text_view(mail_with(HTML))))
    for leak in ("secret", "honeypot", "dkim", "2007", "Spam-Status", "Received"):
        assert leak not in text


def test_list_footer_is_cut() -> None:
    footer = b"\n_______________________________________________\nusers mailing list\nusers@lists.example\n"
    assert "users" not in text_view(b"From: a@b.example\n\nHello there" + footer).text


def test_mbox_line_is_no_field() -> None:
    view = text_view(b"From sender@x Mon Jan  1 00:00:00 2007\nFrom: Ann <a@b.example>\nSubject: s\n\nhi")
    assert (view.from_name, view.subject, view.text) == ("Ann", "s", "hi")


def test_attachment_names_and_danger() -> None:
    raw = (
        b'Content-Type: multipart/mixed; boundary="m"\n\n--m\n\nhello\n--m\n'
        b'Content-Type: application/pdf; name="a.pdf"\n\nx\n--m\n'
        b'Content-Disposition: attachment; filename="=?utf-8?q?b=C3=A4d.EXE?="\n\nx\n--m--\n'
    )
    view = text_view(raw)
    assert view.attachments == ("a.pdf", "bäd.EXE")
    assert view.dangerous_attachment
    assert view.text == "hello"


def test_display_name_with_another_address() -> None:
    assert text_view(b'From: "service@bank.example" <x@evil.example>\n\nhi').name_shows_address
    assert not text_view(b'From: "x@mail.evil.example" <x@evil.example>\n\nhi').name_shows_address


def test_everything_hidden_is_judged_all_the_same() -> None:
    assert text_view(html_mail("<div style='font-size:0px'>only this</div>")).text == "only this"


def test_padding_of_a_preview_line_is_neither_hidden_text_nor_disguise() -> None:
    padding = "&zwnj;&nbsp;" * 150
    view = text_view(html_mail(f'<div style="display:none">Preview{padding}</div>{padding}<p>seen</p>'))
    assert (view.text, view.hidden, view.disguises.zero_width) == ("seen", len("Preview"), 0)


def test_invisible_characters_inside_words_are_counted() -> None:
    hidden = text_view("From: a@b.example\n\npass\u200bword v\u2060\u200bi\u200ba".encode())
    assert hidden.disguises.zero_width == 3
    honest = text_view("From: a@b.example\n\nمی\u200cخواهم 👩\u200d💻 Donau\u00addampf".encode())
    assert honest.disguises.zero_width == 0


@pytest.mark.parametrize(
    ("opening", "is_hidden"),
    [
        ("<div hidden>", True),
        ('<div style="x:y" hidden class="c">', True),
        ('<div style="overflow: hidden">', False),
        ('<div style="max-height:0; overflow:hidden">', True),
        ('<div style="font-size:10px">', False),
        ('<div style="font-size: 1px; color: red">', True),
        ('<div style="opacity: 0.9">', False),
        ('<div style="DISPLAY : NONE !important">', True),
        ('<div class="hidden">', False),
    ],
)
def test_what_counts_as_hidden(opening: str, is_hidden: bool) -> None:
    view = text_view(html_mail(f"<p>seen</p>{opening}maybe<div>inside</div></div><p>after</p>"))
    assert view.text == ("seen after" if is_hidden else "seen maybe inside after")
    assert view.hidden == (len("maybeinside") if is_hidden else 0)


def test_short_spam_behind_long_plain_text_is_seen() -> None:
    raw = (
        b'Content-Type: multipart/alternative; boundary="b"\n\n--b\n\n'
        + b"harmless words " * 2000
        + b"\n--b\nContent-Type: text/html\n\n<p>buy pills</p>\n--b--\n"
    )
    assert text_view(raw).text.startswith("buy pills harmless")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("mail.example.co.uk", "example.co.uk"), ("a.b.example.com", "example.com"), ("10.0.0.1", "10.0.0.1"), ("x", "x")],
)
def test_registrable(host: str, expected: str) -> None:
    assert registrable(host) == expected


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_give_a_view(raw: bytes) -> None:
    model_text(text_view(raw))


PIECES = st.sampled_from(
    [
        b"From: ",
        b"Subject: =?utf-8?b?",
        b"?=",
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"\n\n",
        b"--b\n",
        b"--b--",
        b"Content-Type: text/html; charset=utf-16\n",
        b"Content-Transfer-Encoding: base64\n",
        b"<a href='",
        b"'>",
        b"</a>",
        b"<div style=display:none>",
        b"<style>",
        b"<!--",
        b"-->",
        b"&#",
        b"9" * 30,
        b";",
        b"http://[::1",
        b"http://xn--",
        b"www.",
        b"Content-Type: message/rfc822\n",
        b"=FF=",
        b"\xff\xfe",
        b"charset=punycode\n",
        b"<",
        b">",
        b'"',
        b"@",
        b"From: a@b <c@d>\n",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=12), max_size=40))
def test_any_pieces_of_mail_give_a_bounded_view(pieces: list[bytes]) -> None:
    view = text_view(b"".join(pieces))
    assert len(view.text) <= HEAD + TAIL + 1
    assert len(view.subject) <= 300
    assert unicodedata.is_normalized("NFKC", view.from_domain)
    text = model_text(view)
    assert sum(map(len, (text.subject, text.sender, text.links, text.files, text.body))) < 20_000


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=200))
def test_text_survives_any_transfer_encoding(text: str) -> None:
    head = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
    one = text_view(head + b"base64\n\n" + base64.encodebytes(text.encode("utf-8", "replace")))
    two = text_view(head + b"8bit\n\n" + text.encode("utf-8", "replace"))
    assert one.text == two.text


def nested(depth: int) -> bytes:
    opened = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(depth))
    return opened + b"\nthe text\n" + b"".join(b"--b%d--\n" % n for n in reversed(range(depth)))


def flat(parts: int) -> bytes:
    return b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\ntext\n" * parts + b"--b--\n"


HEAVY: dict[str, Callable[[], bytes]] = {
    "10 MB of HTML": lambda: html_mail("<div><p style='color:red'>word &amp; word</p>" * 230_000),
    "1,000 nested parts": lambda: nested(1000),
    "100,000 parts": lambda: flat(100_000),
    "5 MB single word": lambda: b"From: a@b.example\n\n" + b"x" * 5_000_000,
    "5 MB base64": lambda: b"Content-Transfer-Encoding: base64\n\n" + b"QUJD" * 1_250_000,
    "unclosed tags": lambda: html_mail("<a" * 2_000_000),
    "unclosed styles": lambda: html_mail("<style>" * 500_000),
    "unclosed comments": lambda: html_mail("<!--" * 500_000),
    "open quotes": lambda: html_mail("<a href=" * 9000 + "'" * 9000 + " style=" * 9000 + ">"),
    "long number references": lambda: html_mail("&#" + "9" * 60_000 + ";"),
    "ampersands": lambda: html_mail("&a" * 30_000),
    "combining marks": lambda: b"From: a@b.example\n\n" + ("a" + "\u0316\u0301" * 30_000).encode(),
    "expanding ligatures": lambda: b"From: a@b.example\n\n" + ("\ufdfa" * 30_000).encode(),
    "encoded words": lambda: b"Subject: " + b"=?utf-8?q?a?= " * 100_000 + b"\n\nhi",
    "header without end": lambda: b"Subject: a\n" * 500_000,
    "folded forever": lambda: b"Subject: a" + b"\n " * 500_000,
    "dashes": lambda: b'Content-Type: multipart/mixed; boundary="' + b"-" * 200 + b'"\n\n' + b"\n" + b"-" * 3_000_000,
    "list footer lookalike": lambda: b"From: a@b.example\n\n" + (b"\n" + b"_" * 200) * 300,
    "addresses": lambda: b"From: " + b"a@" * 20_000 + b"\n\n" + b"a.b@" * 20_000,
    "urls": lambda: b"From: a@b.example\n\n" + b"http://a" * 10_000 + b" www." * 10_000,
    "punctuation": lambda: b"From: a@b.example\n\n" + b"!" * 60_000,
    "emoji": lambda: b"From: a@b.example\n\n" + "\U0001f600\u200d".encode() * 15_000,
}


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_mail_is_read_in_time(name: str) -> None:
    raw = HEAVY[name]()
    spent = []
    for _ in range(3):  # the best of three: other processes share these cores
        began = time.thread_time()
        model_text(text_view(raw))
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.06, f"{min(spent) * 1000:.0f} ms"


def test_digits_addresses_and_links_say_nothing_of_a_corpus() -> None:
    text = model_text(
        text_view(b"From: a@b.example\n\nCall 2007 or write ann@corp.example, see http://x.shop.example/a?id=9")
    )
    assert text.body == "Call 0000 or write @, see shop.example"
    assert model_text(text_view(b"From: a@b.example\n\nwrite ann@gmail.com")).body == "write @gmail.com"
