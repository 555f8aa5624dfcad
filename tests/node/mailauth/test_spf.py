"""SPF beside the openspf.org suite: limits to the last question, addresses beyond ASCII, hostile records."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from node.mailauth.resolver import DnsBogus, DnsTemporary, NoSuchName
from node.mailauth.result import Result
from node.mailauth.spf import MAX_EXPLANATION, MAX_QUESTIONS, Asked, check_host, method_result
from node.mailauth.spf_macro import SpfSyntaxError, Values, expand, expand_name, parse_macros
from node.mailauth.spf_record import Hosts, parse_record, spf_records

from .conftest import Table

pytestmark = pytest.mark.anyio
CLIENT = ip_address("192.0.2.3")


def _zone(policy: str, **others: dict[str, list[object]]) -> Table:
    records: dict[str, dict[str, list[object]]] = {"example.org": {"TXT": [policy.encode("latin-1")]}}
    return Table(records | {name.replace("_", "."): kinds for name, kinds in others.items()})


async def _check(table: Table, ip: str = "192.0.2.3", **fields: Any) -> Result:
    return (await check_host(table, Asked(ip_address(ip), "example.org", **fields))).result


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", Result.PASS),
        ("V=SPF1 IP4:192.0.2.3 -ALL", Result.PASS),
        ("v=spf1 ip4:192.0.2.4 ~all", Result.SOFTFAIL),
        ("v=spf1 ?ip4:192.0.2.3 -all", Result.NEUTRAL),
        ("v=spf1", Result.NEUTRAL),
        ("v=spf1  ", Result.NEUTRAL),
        ("v=spf1 ip6:::/0", Result.NEUTRAL),
        ("v=spf1\tip4:192.0.2.3", Result.NONE),
        ("v=spf1 ip4:192.0.2.3\r\n-all", Result.PERMERROR),
        ("v=spf1 ip4:192.0.2.03", Result.PERMERROR),
        ("v=spf1 ip4:192.0.2.3/+8", Result.PERMERROR),
        ("v=spf1 ip6:fe80::1%eth0", Result.PERMERROR),
        ("v=spf1 a:example.org/24/64", Result.PERMERROR),
        ("v=spf1 a:example.org//0128", Result.PERMERROR),
        ("v=spf1 ++all", Result.PERMERROR),
        ("v=spf1 all=", Result.NEUTRAL),
        ("v=spf1 include:%{d0}.example.org", Result.PERMERROR),
        ("v=spf1 exists:%{i", Result.PERMERROR),
        ("v=spf1 exists:%{d}com", Result.PERMERROR),
        ("v=spf1 exists:x%%- ip4:192.0.2.3", Result.PERMERROR),
        ("v=spf1 exists:%{t}.example.org", Result.PERMERROR),
        ("v=spf1 redirect=example.org redirect=example.org", Result.PERMERROR),
        ("v=spf1 ip4:192.0.2.3 redirect=example.org REDIRECT=example.org", Result.PERMERROR),
        ("v=spf1 ip4:192.0.2.3 nonsense", Result.PERMERROR),
        ("v=spf1 -all " + "a " * 1001, Result.PERMERROR),
    ],
)
async def test_records(policy: str, result: Result) -> None:
    assert await _check(_zone(policy)) is result


async def test_an_eleventh_term_is_one_too_many_and_is_not_asked() -> None:
    table = _zone("v=spf1 " + "a:h.test " * 11 + "all", h_test={"A": ["198.51.100.1"]})
    assert await _check(table) is Result.PERMERROR
    assert table.asked.count(("A", "h.test")) == 10
    assert await _check(_zone("v=spf1 " + "a:h.test " * 10 + "all", h_test={"A": ["198.51.100.1"]})) is Result.PASS


async def test_includes_in_a_circle_end() -> None:
    table = _zone("v=spf1 include:example.org -all")
    assert await _check(table) is Result.PERMERROR
    assert len(table.asked) == 11


async def test_a_third_term_without_an_answer_ends_it() -> None:
    two = "v=spf1 a:a.test mx:b.test "
    assert await _check(_zone(two + "all")) is Result.PASS
    assert await _check(_zone(two + "exists:c.test all")) is Result.PERMERROR
    assert await _check(_zone(two + "ptr all")) is Result.PERMERROR


async def test_exchangers_without_an_address_of_the_kind_are_one_term() -> None:
    hosts: list[object] = [[10, f"mx{number}.test"] for number in range(5)]
    addresses = {f"mx{number}_test": {"A": [f"192.0.2.{number}"]} for number in range(5)}
    table = _zone("v=spf1 mx ip6:2001:db8::/32 -all", **addresses)
    table.records["example.org"]["MX"] = hosts
    assert await _check(table, "2001:db8::1") is Result.PASS


async def test_the_clients_names_are_looked_up_once() -> None:
    table = _zone(
        "v=spf1 ptr:other.test ptr:another.test exists:%{p}.x.test ptr -all", mail_example_org={"A": ["192.0.2.3"]}
    )
    table.records["3.2.0.192.in-addr.arpa"] = {"PTR": ["Mail.Example.ORG"]}
    assert await _check(table) is Result.PASS
    assert [kind for kind, _ in table.asked].count("PTR") == 1


async def test_ten_names_of_the_client_are_looked_at() -> None:
    names: list[object] = [f"n{number}.c.test" for number in range(50)]
    table = _zone("v=spf1 ptr:c.test -all", **{f"n{number}_c_test": {"A": ["198.51.100.9"]} for number in range(50)})
    table.records["3.2.0.192.in-addr.arpa"] = {"PTR": names}
    assert await _check(table) is Result.FAIL
    assert [kind for kind, _ in table.asked].count("A") == 10


async def test_a_text_of_64_kib_is_read_or_refused_at_once() -> None:
    assert await _check(_zone("v=spf1 " + "a" * 65_500)) is Result.PERMERROR
    assert await _check(_zone("v=spf1 x=" + "%%" * 32_000 + " ip4:192.0.2.3")) is Result.PASS
    assert await _check(_zone("v=spf1 a:" + "1" * 65_000 + ".example")) is Result.NEUTRAL
    assert await _check(_zone("v=spf1 exists:%{i" + "9" * 60_000 + "r}.example.org")) is Result.NEUTRAL


async def test_a_local_part_beyond_ascii_matches_no_term_that_names_it() -> None:
    # RFC 8616 §4
    table = _zone("v=spf1 exists:%{l}.u.test include:%{s}.i.test ip4:192.0.2.3 -all")
    assert await _check(table, local="äöü") is Result.PASS
    assert table.asked == [("TXT", "example.org")]


async def test_an_explanation_is_bounded_and_printable() -> None:
    table = _zone("v=spf1 -all exp=why.test", why_test={"TXT": [b"Ask %{h} " + b"x" * 1900]})
    answer = await check_host(table, Asked(CLIENT, "example.org", helo="a\r\nX-Evil: yes\x00ü"))
    assert answer.explanation.startswith("Ask a??X-Evil: yes?? xxx")
    assert len(answer.explanation) == MAX_EXPLANATION
    long = _zone("v=spf1 -all exp=why.test", why_test={"TXT": [b"x" * 3000]})
    assert not (await check_host(long, Asked(CLIENT, "example.org"))).explanation


async def test_trouble_with_the_dns_is_temporary_and_says_where() -> None:
    for policy in ("a:gone.test", "mx:gone.test", "exists:gone.test", "include:gone.test", "redirect=gone.test"):
        answer = await check_host(_zone(f"v=spf1 {policy}", gone_test={"TIMEOUT": []}), Asked(CLIENT, "example.org"))
        assert answer.result is Result.TEMPERROR
        assert "gone.test" in answer.problem
    assert await _check(_zone("v=spf1 ptr -all", **{"3.2.0.192.in-addr_arpa": {"TIMEOUT": []}})) is Result.FAIL


@pytest.mark.parametrize("domain", ["", "localhost", "a..b", ".", "[192.0.2.3]", "x" * 64 + ".org", "a." * 130 + "b"])
async def test_what_is_no_domain_has_no_policy(domain: str) -> None:
    table = Table()
    assert (await check_host(table, Asked(CLIENT, domain))).result is Result.NONE
    assert not table.asked


async def test_the_result_names_the_term_and_the_domain() -> None:
    table = _zone("v=spf1 redirect=two.test", two_test={"TXT": [b"v=spf1 ~ip4:192.0.2.0/24 -all"]})
    answer = await check_host(table, Asked(CLIENT, "example.org"))
    assert (answer.result, answer.term, answer.domain) == (Result.SOFTFAIL, "~ip4:192.0.2.0/24", "two.test")
    shown = method_result(answer, "mailfrom", "ann@example.org")
    assert shown.properties == (("smtp.mailfrom", "ann@example.org"),)
    assert shown.comment == "two.test: ~ip4:192.0.2.0/24"


# RFC 7208 §7.4
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
    ],
)
async def test_macros_of_the_rfc(text: str, expected: str) -> None:
    values = Values(CLIENT, ("strong-bad", "email.example.com"), "email.example.com", "")
    assert expand(parse_macros(text), values) == expected


async def test_a_long_name_loses_labels_on_its_left() -> None:
    values = Values(CLIENT, ("ann", "example.org"), "example.org", "h." * 150 + "end")
    name = expand_name(parse_macros("%{h}.example.org"), values)
    assert len(name) <= 253
    assert name.startswith("h.h.")
    assert name.endswith(".end.example.org")


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
async def test_any_octets_are_a_record_or_an_error(octets: bytes) -> None:
    for text in (octets, b"v=spf1 " + octets):
        for record in spf_records([text]):
            with suppress(SpfSyntaxError):
                parse_record(record)


_domains = st.sampled_from(["example.org", "a.test", "b.test", "%{p}.a.test", "%{l}.b.test", "%{ir}.%{v}.%{d2}"])
_terms = st.one_of(
    st.sampled_from(["a", "mx", "ptr", "all", "ip4:192.0.2.0/25", "exp=a.test"]),
    st.builds("{}:{}".format, st.sampled_from(["a", "mx", "ptr", "include", "exists"]), _domains),
    st.builds("redirect={}".format, _domains),
)
_records = st.lists(_terms, max_size=14).map(lambda terms: " ".join(["v=spf1", *terms]))


@given(st.lists(_terms, max_size=8))
@settings(max_examples=50, deadline=None)
async def test_what_is_written_is_what_is_read(terms: list[str]) -> None:
    plain = [term for term in terms if "=" not in term]
    record = parse_record(" ".join(["v=spf1", *plain]).encode())
    assert [directive.text for directive in record.directives] == plain
    assert all(isinstance(d.mechanism, Hosts) == (d.text.split(":")[0] in {"a", "mx"}) for d in record.directives)


class _Whim:
    """Answers as Hypothesis pleases, and counts."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.questions = 0

    async def _say(self, answers: st.SearchStrategy[Any]) -> Any:
        self.questions += 1
        said = self._data.draw(st.one_of(answers, st.sampled_from([NoSuchName, DnsTemporary, DnsBogus])))
        if isinstance(said, type):
            raise said("on a whim")
        return said

    async def txt(self, name: str) -> tuple[bytes, ...]:
        return tuple(await self._say(st.lists(_records.map(str.encode), min_size=1, max_size=2)))

    async def a(self, name: str) -> tuple[str, ...]:
        return tuple(await self._say(st.lists(st.ip_addresses(v=4).map(str), max_size=3)))

    async def aaaa(self, name: str) -> tuple[str, ...]:
        return tuple(await self._say(st.lists(st.ip_addresses(v=6).map(str), max_size=3)))

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        return tuple(await self._say(st.lists(st.tuples(st.just(10), st.sampled_from(["", "h.test"])), max_size=12)))

    async def ptr(self, address: str) -> tuple[str, ...]:
        return tuple(await self._say(st.lists(st.sampled_from(["h.test", "x..y", "", "a.test"]), max_size=20)))


@given(st.data(), st.ip_addresses(), st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=60, deadline=None)
async def test_it_ends_within_its_budget_whatever_the_dns_says(
    data: st.DataObject, ip: Any, local: str, helo: str
) -> None:
    whim = _Whim(data)
    answer = await check_host(whim, Asked(ip, "example.org", local, helo))
    assert isinstance(answer.result, Result)
    assert answer.result is not Result.POLICY
    assert whim.questions <= MAX_QUESTIONS
    assert all(" " <= letter <= "~" for letter in answer.explanation)


async def test_the_callers_deadline_ends_it() -> None:
    class Silent(Table):
        async def txt(self, name: str) -> tuple[bytes, ...]:
            await trio.sleep_forever()
            raise AssertionError

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(check_host, Silent(), Asked(CLIENT, "example.org"))
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught
