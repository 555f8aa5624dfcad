"""Authentication-Results: written so that nothing can break out, read whatever stands there, forged ones taken away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mail.headers import fields, unfolded
from node.mailauth import authres
from node.mailauth.result import MethodResult, Result

HOST = "mx.house.example"
SPF = MethodResult("spf", Result.PASS, (("smtp.mailfrom", "ann@far.example"), ("smtp.helo", "mail.far.example")))
DKIM = MethodResult("dkim", Result.FAIL, (("header.d", "far.example"), ("header.b", "dz/+AbC=")), "bad body hash")
DMARC = MethodResult("dmarc", Result.PASS, (("header.from", "far.example"),), "p=reject", "aligned by SPF")


def read_again(made: bytes) -> authres.AuthResults:
    (only,) = fields(made, 0, len(made))
    assert only.name == b"Authentication-Results"
    found = authres.parse(only.value)
    assert found is not None
    assert authres.parse(unfolded(only.value)) == found
    return found


def test_a_field_as_it_is_written() -> None:
    made = authres.field(HOST, [SPF, DKIM])
    assert made == (
        b"Authentication-Results: mx.house.example; spf=pass\r\n"
        b"\tsmtp.mailfrom=ann@far.example smtp.helo=mail.far.example; dkim=fail (bad body\r\n"
        b'\thash) header.d=far.example header.b="dz/+AbC="\r\n'
    )
    assert read_again(made) == authres.AuthResults(HOST, (SPF, DKIM))


def test_nothing_found_is_said() -> None:  # RFC 8601 appendix B.2
    assert authres.field(HOST, []) == b"Authentication-Results: mx.house.example; none\r\n"
    assert authres.parse(b" mx.house.example 1; none") == authres.AuthResults(HOST)


@pytest.mark.parametrize(
    ("value", "results"),
    [
        # RFC 8601 appendix B.3, B.5, B.6, B.7
        (b"example.com; spf=pass smtp.mailfrom=example.net", 1),
        (b"example.com;\r\n  sender-id=pass\r\n    header.from=example.com; dkim=pass (good signature)", 2),
        (b'example.com; dkim=pass reason="good signature"\r\n header.i=@mail-router.example.net;\r\n'
         b' dkim=fail reason="bad signature"\r\n  header.i=@newyork.example.com', 2),
        (b'foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n'
         b" policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it)"
         b" 1362471462", 1),
        # As large providers write it
        (b"mx.google.com;\r\n       dkim=pass header.i=@a.example header.s=20230601 header.b=Kk/x+0=;\r\n"
         b"       spf=pass (google.com: domain of x@a.example designates 192.0.2.1 as permitted sender)"
         b" smtp.mailfrom=x@a.example;\r\n       dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=a.example", 3),
        (b"spf.example.org; spf=none (sender IP is 192.0.2.1)\r\n smtp.mailfrom=a.example; dkim=none (message not"
         b" signed)\r\n header.d=none;dmarc=none action=none\r\n header.from=a.example;compauth=fail reason=001", 4),
        (b"a.example; dkim=hardfail header.d=x; spf=pass", 1),  # a result of no known kind
        (b"a.example; dkim/2=pass header.d=x; spf=pass", 1),  # another version of the method
        (b"a.example; =pass; dkim; dkim=; spf=pass smtp.mailfrom", 1),
        (b'a.example; spf=pass reason="a; dkim=pass" (b; dkim=pass) smtp.helo=x', 1),
        (b"a.example", 0),
    ],
)  # fmt: skip
def test_what_others_write_is_read(value: bytes, results: int) -> None:
    found = authres.parse(value)
    assert found is not None
    assert len(found.results) == results


def test_comments_inside_a_property_and_its_value() -> None:
    found = authres.parse(
        b"foo.example.net (foobar) 1 (baz); dkim (Because I like it) / 1 (One yay) = (wait for it) fail"
        b" policy (A dot can go here) . (like that) expired (this surprised me) = (as) 1362471462"
    )
    assert found is not None
    assert found.results == (MethodResult("dkim", Result.FAIL, (("policy.expired", "1362471462"),)),)


@pytest.mark.parametrize(
    "value", [b"", b" ", b";", b"; spf=pass", b"(unclosed", b'"unclosed', b"a.example 2; spf=pass"]
)
def test_what_does_not_say_who_speaks_is_not_read(value: bytes) -> None:
    assert authres.parse(value) is None


@pytest.mark.parametrize(
    "hostile",
    [
        'x"; dkim=pass header.d="bank.example',
        "x\r\nAuthentication-Results: mx.house.example; dkim=pass",
        "x; dkim=pass header.d=bank.example",
        "x) dkim=pass (",
        "\\",
        '"',
        "a" * 5000,
        "\ud800",
        "",
    ],
)
def test_hostile_values_stay_where_they_are(hostile: str) -> None:
    found = MethodResult("spf", Result.FAIL, (("smtp.mailfrom", hostile), ("smtp.helo", hostile)), hostile, hostile)
    for utf8 in (False, True):
        made = authres.field(HOST, [found, MethodResult("dkim", Result.NONE)], utf8=utf8)
        assert unfolded(made).endswith(b"; dkim=none")
        assert max(map(len, made.split(b"\r\n"))) <= 998
        assert [result.method for result in read_again(made).results] == ["spf", "dkim"]
        # Also for readers that know neither quotes nor comments:
        clauses = unfolded(made.partition(b":")[2]).split(b";")
        assert [clause.split()[0] for clause in clauses[1:]] == [b"spf=fail", b"dkim=none"]


def test_quoted_local_parts_and_words_of_other_scripts() -> None:
    odd = MethodResult("spf", Result.PASS, (("smtp.mailfrom", '"a b"@far.example'),))
    made = authres.field(HOST, [odd])
    assert b'smtp.mailfrom="a b"@far.example' in made
    assert read_again(made).results == (odd,)
    far = MethodResult("spf", Result.PASS, (("smtp.mailfrom", "jörg@bücher.example"), ("smtp.helo", "bücher.example")))
    assert read_again(authres.field(HOST, [far], utf8=True)).results == (far,)
    assert b"smtp.mailfrom=j?rg@xn--bcher-kva.example smtp.helo=xn--bcher-kva.example" in unfolded(
        authres.field(HOST, [far])
    ).replace(b"\t", b" ")


def test_no_clause_from_a_name_that_is_no_keyword() -> None:
    with pytest.raises(ValueError, match="no keyword"):
        authres.field(HOST, [MethodResult("sp f", Result.PASS)])


FORGED = [
    b" mx.house.example; spf=pass",
    b" MX.House.Example. 1; spf=pass",
    b' "mx.house.example"; spf=pass',
    b" (hello) mx.house.example (there); spf=pass",
    b"\r\n\tmx.house.example;\r\n\tspf=pass",
    b" mx.house\r\n .example; spf=pass",
    b" mx.house\r\n .example 1; spf=pass",
    b" mx.\x00house.example; spf=pass",
    b" mx.house.example",
    b" (mx.house.example; spf=pass",
    b"; mx.house.example; spf=pass",
    b"mx.house.example 2; spf=pass",
]


@pytest.mark.parametrize("value", FORGED)
@pytest.mark.parametrize("name", [b"Authentication-Results:", b"AUTHENTICATION-results :"])
def test_a_forged_field_is_taken_away(name: bytes, value: bytes) -> None:
    before, after = b"Received: from x\r\n", b"From: ann@far.example\r\nTo: bob@house.example\r\n\r\n"
    assert authres.without_forged(before + name + value + b"\r\n" + after, [HOST]) == before + after


def test_others_fields_stay() -> None:
    header = (
        b"Authentication-Results: mx.far.example; spf=pass (mx.house.example; x)\r\n"
        b"Authentication-Results: bigmx.house.example; spf=pass\r\n"
        b"X-Authentication-Results: mx.house.example; spf=pass\r\n"
        b"Subject: Authentication-Results: mx.house.example; spf=pass\r\n"
    )
    assert authres.without_forged(header, [HOST]) == header


def test_past_names_and_other_scripts_are_ours_too() -> None:
    header = "Authentication-Results: bücher.example; spf=pass\r\nAuthentication-Results: old; spf=pass\r\n".encode()
    assert authres.without_forged(header, ["xn--bcher-kva.example", "old"]) == b""


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_not_but_never_fail(value: bytes) -> None:
    found = authres.parse(value)
    assert found is None or found.authserv_id
    authres.names(value, [HOST])
    header = b"Authentication-Results:" + value + b"\r\n"
    again = authres.without_forged(header, [HOST])
    assert authres.without_forged(again, [HOST]) == again


KEYWORDS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
VALUES = st.text(st.sampled_from("abcXYZ019 .,:/?=!#$%&'*+^_`{|}~<>[]()@-"), max_size=40).filter(
    lambda text: text.count("@") == 0
)
REMARKS = st.lists(st.text(st.sampled_from("abcXYZ.,:/-"), min_size=1, max_size=12), max_size=8).map(" ".join)
FOUND = st.builds(
    MethodResult,
    KEYWORDS,
    st.sampled_from(Result),
    st.lists(st.tuples(st.tuples(KEYWORDS, KEYWORDS).map(".".join), VALUES), max_size=4).map(tuple),
    REMARKS,
    REMARKS,
)


@given(st.lists(FOUND, max_size=6))
def test_what_is_written_is_read_again(results: list[MethodResult]) -> None:
    made = authres.field(HOST, results)
    tidy = [
        MethodResult(each.method, each.result, tuple((n, v) for n, v in each.properties), each.comment, each.reason)
        for each in results
    ]
    assert read_again(made) == authres.AuthResults(HOST, tuple(tidy))


@given(st.lists(st.builds(MethodResult, KEYWORDS, st.sampled_from(Result), st.just(()), st.text(), st.text())))
def test_any_text_leaves_the_clauses_as_they_are(results: list[MethodResult]) -> None:
    made = authres.field(HOST, results)
    assert made.isascii()
    assert [each.method for each in read_again(made).results] == [each.method for each in results][:100]
