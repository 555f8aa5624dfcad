"""DKIM: what we sign verifies, also by dkimpy; what dkimpy signs verifies here; and what must not, does not."""

from __future__ import annotations

import re
from base64 import b64encode

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from node.mailauth.canonical import body_hashes, header_fields
from node.mailauth.dkim import AHEAD, MAX_VERIFIED, DkimCheck, DkimResult
from node.mailauth.dkim_sign import BODY, SigningKey, sign
from node.mailauth.dkim_tags import TagError, parse_tags
from node.mailauth.resolver import DnsTemporary
from node.mailauth.result import Result
from tests.node.mailauth.zone import Zone

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000
RSA = SigningKey("example.org", "r1", generate_private_key(65537, 2048))
ED = SigningKey("example.org", "e1", Ed25519PrivateKey.generate())
MESSAGE = (
    b"Received: from a by b;\r\n\tSat, 1 Jan 2022 00:00:00 +0000\r\n"
    b"From: Ann <ann@example.org>\r\nTo: bob@example.net,\r\n  carol@example.net\r\n"
    b"Subject:  Hello \t there\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@example.org>\r\n"
    b"\r\n"
    b"Hello  Bob,\t\r\n\r\n.dots\r\n \r\n\r\n"
)
RECORDS = {f"{key.selector}._domainkey.{key.domain}": (key.record.encode(),) for key in (RSA, ED)}


def split(message: bytes) -> tuple[bytes, bytes]:
    header, _, body = message.partition(b"\r\n\r\n")
    return header + b"\r\n", body


def made(message: bytes = MESSAGE, *keys: SigningKey) -> bytes:
    header, body = split(message)
    return sign(header_fields(header), body_hashes(body, [BODY])[BODY], keys or (RSA, ED), NOW) + message


async def verified(message: bytes, records: dict[str, object] | None = None, now: int = NOW) -> tuple[DkimResult, ...]:
    header, body = split(message)
    check = DkimCheck(header_fields(header), now)
    return await check.results(body_hashes(body, check.forms), Zone({**RECORDS, **(records or {})}))  # type: ignore[arg-type, dict-item]


async def only(message: bytes, records: dict[str, object] | None = None, now: int = NOW) -> DkimResult:
    (result,) = await verified(message, records, now)
    return result


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    return RECORDS.get(name.decode().rstrip("."), (None,))[0]


def theirs(message: bytes = MESSAGE, **options: object) -> bytes:
    """Signed by dkimpy."""
    pem = RSA.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return dkim.sign(message, b"r1", b"example.org", pem, **options) + message


def by_hand(
    extra: bytes = b"", message: bytes = MESSAGE, h: bytes = b"from:subject", c: bytes = b"relaxed/relaxed"
) -> bytes:
    """A signature with any tags, honestly made."""
    from node.mailauth.canonical import CRLF, BodyForm, Canonicalisation, HeaderField, canonical_field
    from node.mailauth.dkim_sign import choose

    header, body = split(message)
    length = re.search(rb"\bl=(\d+)", extra)
    form = BodyForm(Canonicalisation.RELAXED, int(length[1]) if length else None)
    digest = b64encode(body_hashes(body, [form])[form].digest)
    bare = b"DKIM-Signature: v=1; a=rsa-sha256; c=%s; d=example.org; s=r1; h=%s; bh=%s;%s b=" % (c, h, digest, extra)
    chosen = choose(header_fields(header), h.lower().replace(b" ", b"").split(b":"))
    own = canonical_field(HeaderField(b"dkim-signature", bare + CRLF), Canonicalisation.RELAXED).removesuffix(CRLF)
    return bare + b64encode(RSA.sign(chosen + own)) + CRLF + message


async def test_own_signatures_verify_both() -> None:
    signed = made()
    assert all(len(line) <= 78 for line in signed.partition(b"Received")[0].split(b"\r\n"))
    results = await verified(signed)
    assert [(one.result, one.algorithm, one.domain, one.selector) for one in results] == [
        (Result.PASS, "rsa-sha256", "example.org", "r1"),
        (Result.PASS, "ed25519-sha256", "example.org", "e1"),
    ]
    assert results[0].bits == 2048
    shown = dict(results[0].shown().properties)
    assert (shown["header.d"], len(shown["header.b"])) == ("example.org", 8)


async def test_dkimpy_verifies_own_signatures() -> None:
    assert dkim.verify(made(MESSAGE, RSA), dnsfunc=dns)
    assert dkim.verify(made(MESSAGE, ED), dnsfunc=dns)
    assert not dkim.verify(made(MESSAGE, ED).replace(b"Hello", b"Hallo"), dnsfunc=dns)


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
async def test_what_dkimpy_signs_verifies(header: bytes, body: bytes) -> None:
    signed = theirs(canonicalize=(header, body))
    assert (await only(signed, now=2_000_000_000)).result is Result.PASS
    assert (await only(signed.replace(b"Hello  Bob", b"Hello Bib"), now=2_000_000_000)).result is Result.FAIL


@given(st.binary(max_size=60).map(lambda text: re.sub(rb"[\r\n\0\v\f]", b" ", text)), st.binary(max_size=200))
def test_anything_signed_here_verifies_at_dkimpy(subject: bytes, body: bytes) -> None:
    body = re.sub(rb"[\r\n]+", b"\r\n", body) + b"\r\n"
    message = b"From: ann@example.org\r\nSubject: x" + subject + b"\r\n\r\n" + body
    assert dkim.verify(made(message, ED), dnsfunc=dns)


async def test_relaxed_survives_common_changes_and_nothing_else() -> None:
    signed = made(MESSAGE, RSA)
    harmless = signed.replace(b"Subject:  Hello \t there", b"subject: Hello\r\n\tthere").replace(
        b"Bob,\t\r\n", b"Bob,\r\n"
    )
    assert (await only(harmless + b"\r\n\r\n")).result is Result.PASS
    for old, new, reason in (
        (b"Hello  Bob", b"Hello  Rob", "the body was changed"),
        (b"Hello \t there", b"Hello \t where", "the signature does not verify"),
        (b"\r\n\r\n.dots", b"\r\n..dots", "the body was changed"),
        (b"t=1700000000", b"t=1700000001", "the signature does not verify"),
    ):
        changed = await only(signed.replace(old, new, 1))
        assert (changed.result, changed.reason) == (Result.FAIL, reason)


@pytest.mark.parametrize("name", [b"From", b"Subject", b"To", b"Cc", b"Reply-To", b"Content-Type", b"Date"])
async def test_no_field_can_be_added_to_a_signed_message(name: bytes) -> None:
    for place in (made(MESSAGE, RSA).replace(b"Received:", name + b": evil@example.com\r\nReceived:", 1),):
        assert (await only(place)).result is Result.FAIL


async def test_several_fields_of_a_name_are_taken_from_the_bottom_up() -> None:
    message = b"Comments: one\r\nComments: two\r\n" + MESSAGE
    signed = by_hand(message=message, h=b"from:comments:comments:comments")
    assert (await only(signed)).result is Result.PASS
    swapped = signed.replace(b"Comments: one\r\nComments: two", b"Comments: two\r\nComments: one")
    assert (await only(swapped)).result is Result.FAIL
    added = await only(b"Comments: zero\r\n" + signed)
    assert added.result is Result.FAIL
    two = by_hand(message=message, h=b"from:comments")
    assert (await only(two.replace(b"Comments: one", b"Comments: 1"))).result is Result.PASS
    assert (await only(two.replace(b"Comments: two", b"Comments: 2"))).result is Result.FAIL


async def test_a_second_from_is_told_even_where_the_signer_did_not_oversign() -> None:
    signed = b"From: evil@example.com\r\n" + by_hand()
    result = await only(signed)
    assert (result.result, result.reason) == (Result.POLICY, "there are more From fields than were signed")


async def test_partly_signed_bodies_are_no_pass() -> None:
    whole = by_hand(b" l=21;")
    total = 21
    assert (await only(whole)).result is Result.PASS
    added = await only(whole + b"Pay here: evil.example\r\n")
    assert (added.result, added.partial) == (Result.POLICY, True)
    assert f"only {total} of" in added.reason
    assert (await only(by_hand(b" l=22;"))).reason == "l= counts more than there is"
    assert (await only(by_hand(b" l=0;"))).partial
    assert (await only(by_hand(b" l=-1;"))).result is Result.NEUTRAL
    assert (await only(by_hand(b" l=" + b"9" * 77 + b";"))).result is Result.NEUTRAL


async def test_times() -> None:
    signed = by_hand(b" t=1700000000; x=1700000100;")
    assert (await only(signed)).result is Result.PASS
    assert (await only(signed, now=NOW + 101)).reason == "the signature has expired"
    assert (await only(signed, now=NOW - AHEAD - 1)).result is Result.POLICY
    assert (await only(by_hand(b" t=1700000000; x=1700000000;"))).result is Result.NEUTRAL
    assert (await only(by_hand(b" t=soon;"))).result is Result.NEUTRAL


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        (b"a=rsa-sha256", b"a=rsa-sha1", Result.POLICY),
        (b"a=rsa-sha256", b"a=rsa-md5", Result.NEUTRAL),
        (b"a=rsa-sha256", b"a=ed25519-sha256", Result.PERMERROR),
        (b"v=1", b"v=2", Result.NEUTRAL),
        (b"v=1; ", b"", Result.NEUTRAL),
        (b"v=1", b"v=1; v=1", Result.NEUTRAL),
        (b"d=example.org", b"d=example.org; d=evil.example", Result.NEUTRAL),
        (b"d=example.org", b"d=exam ple.org", Result.NEUTRAL),
        (b"d=example.org", b"d=", Result.NEUTRAL),
        (b"d=example.org", b"D=example.org", Result.NEUTRAL),
        (b"d=example.org", b"d=example.org; i=ann@example.com", Result.NEUTRAL),
        (b"d=example.org", b"d=example.org; i=ann@notexample.org", Result.NEUTRAL),
        (b"s=r1", b"s=..", Result.NEUTRAL),
        (b"s=r1", b"s=" + b"a" * 64, Result.NEUTRAL),
        (b"s=r1", b"s=absent", Result.PERMERROR),
        (b"s=r1", b"s=r1; q=http", Result.NEUTRAL),
        (b"s=r1", b"s=r1;;", Result.NEUTRAL),
        (b"h=from:", b"h=", Result.PERMERROR),
        (b"c=relaxed/relaxed", b"c=relaxed/raw", Result.NEUTRAL),
        (b"b=", b"b=*", Result.NEUTRAL),
        (b" b=", b" b=; z=", Result.NEUTRAL),
        (b" b=", b" b=AAAA; bb=", Result.FAIL),
        (b" b=", b" b=AAAA; b=", Result.NEUTRAL),
        (b" bh=", b" bh=AAAA; g=", Result.FAIL),
        (b"DKIM-Signature: ", b"DKIM-Signature: \0", Result.NEUTRAL),
    ],
)
async def test_tags_that_must_not_be(old: bytes, new: bytes, result: Result) -> None:
    assert old in by_hand()
    assert (await only(by_hand().replace(old, new, 1))).result is result


async def test_space_in_signatures_means_nothing_where_the_grammar_says_so() -> None:
    signed = by_hand(h=b"From : Subject")
    value = re.search(rb" b=([^\r]+)", signed)
    assert value is not None
    folded = b"\r\n\t".join([value[1][:20], value[1][20:40], value[1][40:]])
    assert (await only(signed.replace(value[1], b"\r\n " + folded + b" ", 1))).result is Result.PASS
    assert (await only(signed.replace(value[1], value[1] + b";\t", 1))).result is Result.FAIL  # the ; was not signed


def record(**changes: bytes | None) -> dict[str, object]:
    tags = {"v": b"DKIM1", "k": b"rsa", "p": RSA.record.rpartition("p=")[2].encode(), **changes}
    return {
        "r1._domainkey.example.org": (b"; ".join(b"%s=%s" % (n.encode(), v) for n, v in tags.items() if v is not None),)
    }


@pytest.mark.parametrize(
    ("changes", "result", "reason"),
    [
        ({"p": b""}, Result.PERMERROR, "the key is revoked"),
        ({"p": None}, Result.PERMERROR, "the key record has no key"),
        ({"p": b"!!"}, Result.PERMERROR, "the key record holds no usable key"),
        ({"p": b"AAAA"}, Result.PERMERROR, "the key record holds no usable key"),
        ({"v": b"DKIM2"}, Result.PERMERROR, "the key record is of an unknown version"),
        ({"k": b"dsa"}, Result.PERMERROR, "the key is of an unknown kind"),
        ({"h": b"sha1"}, Result.PERMERROR, "the key is not for SHA-256"),
        ({"s": b"tlsrpt"}, Result.PERMERROR, "the key is not for mail"),
        ({"v": None, "k": None, "h": b"sha1 : sha256", "s": b"*", "t": b"s", "n": b"a note"}, Result.PASS, ""),
        ({"s": b"email:x", "future": b"1"}, Result.PASS, ""),
    ],
)
async def test_key_records(changes: dict[str, bytes | None], result: Result, reason: str) -> None:
    found = await only(by_hand(), record(**changes))
    assert (found.result, found.reason) == (result, reason)


async def test_weak_keys_fail_by_policy() -> None:
    # Made with OpenSSL: this library makes none so short any more.
    weak = (
        b"MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAL55mPUkXlTNZf0tpik/tXS/nRjogPiKX3VeuIvZQ+ODwzX4vh5u+zYTieRdBQ7LDh02"
        b"8eYXBvwASZZdM6LKNBUIhAPcSlu7gy7nUTJ/hMrJXabj5DvLTOkF2OgpdDlMmwIDAQAB"
    )
    found = await only(by_hand(), record(p=weak))
    assert (found.result, found.reason) == (Result.POLICY, "the RSA key has 768 bits, fewer than 1024")


async def test_flags_of_keys() -> None:
    below = by_hand(b" i=ann@mail.example.org;")
    assert (await only(below)).result is Result.PASS
    assert (await only(below, record(t=b"s"))).reason == "the key allows no subdomain in i="
    assert (await only(by_hand(b" i==61nn@example.org;"), record(t=b"y:s"))).testing


async def test_keys_in_the_dns() -> None:
    name, text = "r1._domainkey.example.org", RSA.record.encode()
    bare = b64encode(RSA.private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1))
    signed = by_hand()
    assert (await only(signed, {name: DnsTemporary("no answer")})).result is Result.TEMPERROR
    assert (await only(signed, {name: ()})).result is Result.PERMERROR
    assert (await only(signed, {name: (b"v=spf1 exp=a.example -all", text)})).result is Result.PASS
    assert (await only(signed, {name: (text, text)})).result is Result.PASS
    assert (await only(signed, {name: (text, ED.record.encode())})).reason == "several key records for one selector"
    assert (await only(signed, {name: (b"k=rsa; p=" + bare,)})).result is Result.PASS


async def test_of_a_thousand_signatures_a_few_are_verified_the_author_s_first() -> None:
    strange = b"DKIM-Signature: v=1; a=rsa-sha256; d=evil%d.example; s=a; h=from; bh=AAAA; b=AAAA\r\n"
    pile = b"".join(strange % number for number in range(30))
    message = pile + by_hand() + b""
    results = await verified(message)
    assert len(results) == MAX_VERIFIED
    assert results[0].result is Result.PASS
    header, body = split(pile * 40 + MESSAGE)
    check, zone = DkimCheck(header_fields(header), NOW), Zone()
    assert len(await check.results(body_hashes(body, check.forms), zone)) == MAX_VERIFIED
    assert not zone.asked  # a wrong body hash needs no key


async def test_each_key_is_looked_up_once() -> None:
    header, body = split(by_hand() + b"")
    signature = header.partition(b"Received")[0]
    check, zone = DkimCheck(header_fields(signature * 5 + header), NOW), Zone(RECORDS)  # type: ignore[arg-type]
    results = await check.results(body_hashes(body, check.forms), zone)
    assert [one.result for one in results] == [Result.PASS] * 6
    assert len(zone.asked) == 1


async def test_international_mail() -> None:
    message = "From: Jörg <jörg@bücher.example>\r\nSubject: Grüße\r\n\r\nHallo\r\n".encode()
    key = SigningKey("xn--bcher-kva.example", "s1", ED.private)
    records: dict[str, object] = {"s1._domainkey.xn--bcher-kva.example": (key.record.encode(),)}
    result = await only(made(message, key), records)
    assert (result.result, result.domain) == (Result.PASS, "xn--bcher-kva.example")
    u_label = SigningKey("bücher.example", "s1", ED.private)  # RFC 8616 §4 allows U-labels
    result = await only(made(message, u_label), records)
    assert (result.result, result.domain) == (Result.PASS, "xn--bcher-kva.example")


async def test_messages_without_signature_or_anything() -> None:
    assert await verified(MESSAGE) == ()
    assert await verified(b"\r\n\r\n") == ()
    assert (await only(b"DKIM-Signature:\r\n" + MESSAGE)).result is Result.NEUTRAL


@given(st.binary(max_size=120))
def test_any_text_is_tags_or_an_error(text: bytes) -> None:
    try:
        tags = parse_tags(text)
    except TagError:
        return
    assert all(text[tag.start : tag.end].strip(b" \t\r\n") == tag.value for tag in tags.values())


def test_lists_of_tags_have_bounds() -> None:
    with pytest.raises(TagError):
        parse_tags(b"".join(b"a%d=1;" % number for number in range(101)))
    with pytest.raises(TagError):
        parse_tags(b"a=" + b"x" * (1 << 17))
    assert parse_tags(b" a = b c ;\r\n\tB_1=;")["a"].value == b"b c"
