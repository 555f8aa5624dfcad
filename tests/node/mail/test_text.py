"""The words of a message, whatever they are wrapped in."""

from __future__ import annotations

import time
from base64 import encodebytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mail.charset import decode
from node.mail.part import parse
from node.mail.text import LIMIT, from_base64, plain, without_tags


def words(message: bytes) -> str:
    return plain(message, parse(message))


def one(content: bytes, kind: bytes = b"text/plain", encoding: bytes = b"7bit") -> bytes:
    return b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (kind, encoding, content)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (one(b"plain"), "plain"),
        (one(b"caf=C3=A9 =\r\nau lait", b"text/plain; charset=utf-8", b"quoted-printable"), "café au lait"),
        (one(encodebytes("Grüße".encode()), b"text/plain; charset=utf-8", b"BASE64"), "Grüße"),
        (one("naïve".encode("latin-1"), b"text/plain; charset=iso-8859-1"), "naïve"),
        (one("日本".encode("iso-2022-jp"), b"text/plain; charset=ISO-2022-JP"), "日本"),
        (one("Привет".encode("koi8-r"), b'text/plain; charset="koi8-r"'), "Привет"),
        (one("한국".encode("cp949"), b"text/plain; charset=ks_c_5601-1987"), "한국"),
        (one("mislabelled é".encode(), b"text/plain; charset=us-ascii"), "mislabelled é"),
        (one("“quoted”".encode("cp1252"), b"text/plain; charset=iso-8859-1"), "“quoted”"),
        (one(b"x\xff", b"text/plain; charset=no-such-thing"), "xÿ"),
        (one(b"x\xff", b"text/plain; charset=utf-8"), "x\ufffd"),
        (one(b"abc", b"text/plain; charset=zlib"), "abc"),
        (one(b"abc", b'text/plain; charset="punycode"'), "abc"),
        (one(b"<p>A &amp; B</p><p>&eacute;&#x41;&#66;&unknown;", b"text/html"), "\nA & B\n\néAB&unknown;"),
        (one(b"picture", b"image/png"), ""),
    ],
)
def test_texts_are_decoded(message: bytes, text: str) -> None:
    assert words(message) == text


def test_all_text_parts_count_and_messages_inside() -> None:
    message = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nsecond\r\n--b\r\n"
        b"Content-Type: image/png\r\n\r\nnot this\r\n--b--\r\n"
    )
    assert words(message) == "first\nsecond"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<script>var x = '<p>';</script>b", "ab"),
        ("a<style>p { }</STYLE >b<scripture>c", "abc"),
        ("a<!-- <b> -->b", "ab"),
        ("a<!-- never closed", "a"),
        ("a<script> never closed", "a"),
        ("1 < 2 <b>bold</b>", "1 < 2 bold"),
        ("a <", "a "),
        ("x<<b>y", "x<y"),
        ("line<br>next", "line\nnext"),
        ("&#0;&#xD800;&#1114112;", " "),
        ("&#" + "9" * 5000 + ";", " " + "9" * 4993 + ";"),
    ],
)
def test_html_loses_its_tags(html: str, text: str) -> None:
    assert without_tags(html) == text


@pytest.mark.parametrize("piece", ["<script>", "<!--", "<", "<style ", "&", "&#", "<a ", "</"])
def test_hostile_html_takes_linear_time(piece: str) -> None:
    html = piece * (LIMIT // len(piece))
    before = time.thread_time()
    without_tags(html)
    assert time.thread_time() - before < 5


@given(st.text(max_size=200))
def test_any_html_is_read(html: str) -> None:
    without_tags(html)
    without_tags("<" + html + "<script" + html)


@given(st.binary(max_size=200))
def test_any_base64_is_read(raw: bytes) -> None:
    from_base64(raw)


@pytest.mark.parametrize("cut", range(8))
def test_cut_base64_gives_what_there_is(cut: int) -> None:
    encoded = encodebytes(b"hello world")
    whole = from_base64(encoded[: len(encoded) - cut])
    assert b"hello world".startswith(whole)
    assert len(whole) >= 8 - cut


@given(
    st.binary(max_size=100),
    st.text(max_size=70) | st.sampled_from(["utf-7", "idna", "undefined", "hex", "utf-16", "\0"]),
)
def test_any_charset_label_decodes(data: bytes, label: str) -> None:
    assert isinstance(decode(data, label), str)


def test_the_answer_is_bounded() -> None:
    message = one(b"word " * LIMIT)
    assert len(words(message)) == LIMIT
    assert plain(message, parse(message), 7) == "word wo"


@given(st.binary(max_size=300))
def test_any_message_has_words(data: bytes) -> None:
    words(data)
    words(b"Content-Type: text/html; charset=utf-7\nContent-Transfer-Encoding: quoted-printable\n\n" + data)
