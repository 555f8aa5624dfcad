"""DMARC rule by rule: the vectors in dmarc.toml, and what no vector can say."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mailauth.authres import AuthResults, field
from node.mailauth.dmarc import Evaluation, Identity, Override, OverrideType, evaluate, forwarder, overridden
from node.mailauth.dmarc_author import Author, author
from node.mailauth.dmarc_discovery import MAX_LOOKUPS, Records, SuffixList, TreeWalk, walk
from node.mailauth.dmarc_record import Policy
from node.mailauth.resolver import DnsTemporary, NoSuchName
from node.mailauth.result import MethodResult, Result

pytestmark = pytest.mark.anyio
CASES = tomllib.loads(Path(__file__).with_name("dmarc.toml").read_text("utf-8"))["case"]


class Zone:
    """Answers from a table: DMARC records by name, names that exist, names the DNS is silent about."""

    def __init__(self, records: dict[str, Any], exist: list[str] = (), silent: list[str] = ()) -> None:  # type: ignore[assignment]
        self.records = {f"_dmarc.{name}": text for name, text in records.items()}
        self.exist, self.silent = set(exist), set(silent)
        self.asked: list[str] = []

    async def txt(self, name: str) -> tuple[bytes, ...]:
        self.asked.append(name)
        if name.removeprefix("_dmarc.") in self.silent:
            raise DnsTemporary(name)
        if name not in self.records:
            raise NoSuchName(name)
        found = self.records[name]
        return tuple(text.encode() for text in ([found] if isinstance(found, str) else found))

    async def a(self, name: str) -> tuple[str, ...]:
        if f"a:{name}" in self.silent:
            raise DnsTemporary(name)
        if name not in self.exist:
            raise NoSuchName(name)
        return ()

    aaaa = mx = ptr = a


def one(domain: str) -> Author:
    return author(f"From: ann@{domain}\r\n\r\n".encode())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_vector(case: dict[str, Any]) -> None:
    zone = Zone(case.get("records", {}), case.get("exist", []), case.get("silent", []))
    discovery = SuffixList(zone) if case.get("way") == "psl" else TreeWalk(zone)
    identities = []
    for text in case.get("proved", []):
        method, result, domain = text.split()
        identities.append(Identity(method, domain, Result(result)))
    said = await evaluate(
        author(case["from"].encode() + b"\r\n\r\n"), identities, discovery, zone, sample=case.get("sample", 0)
    )
    got = {
        "result": str(said.result),
        "policy": str(said.policy),
        "disposition": str(said.disposition),
        "at": said.published.domain if said.published else "",
        "aligned": [name for name in (said.spf, said.dkim) if name],
        "overrides": [str(each.type) for each in said.overrides],
    }
    wanted = {"policy": "none", "disposition": "none", "at": "", "aligned": [], "overrides": [], **case["wanted"]}
    assert got == wanted
    if "asked" in case:
        assert zone.asked == [f"_dmarc.{name}" for name in case["asked"]]


def test_the_walk_of_a_long_name() -> None:  # RFC 9989 §4.10, its own example
    assert walk("a.b.c.d.e.f.g.h.i.j.mail.example.com") == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40).map(".".join))
def test_no_walk_is_longer_than_eight(domain: str) -> None:
    names = walk(domain)
    assert len(names) <= 8
    assert names[0] == domain
    assert names[-1] == domain.rpartition(".")[2]
    assert all(long == short or long.endswith(f".{short}") for long, short in pairwise(names))


async def test_each_name_is_asked_once_and_lookups_are_bounded() -> None:
    zone = Zone({})
    records = Records(zone)
    for _ in range(2):
        await records.at("far.example")
    assert zone.asked == ["_dmarc.far.example"]
    for number in range(MAX_LOOKUPS - 1):
        await records.at(f"d{number}.example")
    with pytest.raises(DnsTemporary, match="lookups"):
        await records.at("last.example")


async def test_a_thousand_signatures_cost_no_thousand_lookups() -> None:
    zone = Zone({"far.example": "v=DMARC1; p=reject"})
    identities = [Identity("dkim", f"s{number}.far.example", Result.PASS) for number in range(1000)]
    said = await evaluate(one("far.example"), identities, TreeWalk(zone), zone)
    assert said.dkim == "s0.far.example"
    strangers = [Identity("dkim", f"s{number}.x.example", Result.PASS) for number in range(1000)]
    zone.asked.clear()
    said = await evaluate(one("far.example"), strangers, TreeWalk(zone), zone)
    assert said.result is Result.FAIL
    assert len(zone.asked) <= 2


async def test_in_the_header() -> None:
    zone = Zone({"far.example": "v=DMARC1; p=reject; t=y"})
    said = await evaluate(one("far.example"), [], TreeWalk(zone), zone)
    assert field("mx.house.example", [said.method_result()]) == (
        b"Authentication-Results: mx.house.example; dmarc=fail (policy reject at\r\n"
        b"\tfar.example) header.from=far.example policy.dmarc=quarantine\r\n"
    )
    nobody = await evaluate(author(b"Subject: x\r\n\r\n"), [], TreeWalk(zone), zone)
    assert nobody.method_result() == MethodResult("dmarc", Result.NONE, (), "no From field")


def test_an_override_forgives_a_failure_and_is_told() -> None:
    failed = Evaluation(Result.FAIL, "far.example", policy=Policy.REJECT, disposition=Policy.REJECT)
    override = Override(OverrideType.TRUSTED_FORWARDER, "list.example")
    forgiven = overridden(failed, override)
    assert (forgiven.result, forgiven.disposition, forgiven.overrides) == (Result.FAIL, Policy.NONE, (override,))
    assert overridden(failed, None) is failed
    passed = Evaluation(Result.PASS, "far.example", policy=Policy.REJECT)
    assert overridden(passed, override) is passed


SEEN = AuthResults("lists.example", (MethodResult("dmarc", Result.PASS), MethodResult("spf", Result.PASS)))
UNSEEN = AuthResults("lists.example", (MethodResult("dmarc", Result.FAIL), MethodResult("spf", Result.PASS)))


@pytest.mark.parametrize(
    ("sealers", "first", "intact", "forgiven"),
    [
        (["lists.example"], SEEN, True, True),
        (["lists.example", "mx.lists.example"], SEEN, True, True),
        (["lists.example"], SEEN, False, False),
        (["lists.example"], UNSEEN, True, False),
        (["lists.example"], None, True, False),
        (["lists.example", "stranger.example"], SEEN, True, False),
        (["notlists.example"], SEEN, True, False),
        ([], SEEN, True, False),
    ],
)
def test_trusted_forwarders(sealers: list[str], first: AuthResults | None, intact: bool, forgiven: bool) -> None:
    override = forwarder(sealers, first, ["Lists.example."], intact=intact)
    assert (override is not None) == forgiven


NAMES = st.lists(st.sampled_from(["a", "b", "mail", "bank", "com"]), min_size=1, max_size=5).map(".".join)
RECORDS = st.sampled_from(
    ["v=DMARC1; p=reject", "v=DMARC1; p=quarantine; sp=none; adkim=s", "v=DMARC1; p=none; psd=y", "v=DMARC1; psd=n",
     "v=DMARC1; p=reject; psd=n; np=quarantine", "v=spf1 -all", "v=DMARC1; p=reject; t=y"]
)  # fmt: skip


@given(
    st.dictionaries(NAMES, RECORDS, max_size=5),
    NAMES,
    st.lists(st.builds(Identity, st.sampled_from(["spf", "dkim"]), NAMES, st.sampled_from(Result)), max_size=4),
    st.booleans(),
)
async def test_whatever_is_published(
    records: dict[str, str], domain: str, identities: list[Identity], listed: bool
) -> None:
    zone = Zone(records, [domain])
    said = await evaluate(one(domain), identities, SuffixList(zone) if listed else TreeWalk(zone), zone)
    proved = {each.domain for each in identities if each.result is Result.PASS}
    assert (said.result is Result.PASS) == bool(said.spf or said.dkim)
    assert {name for name in (said.spf, said.dkim) if name} <= proved
    assert said.disposition.strictness <= said.policy.strictness
    assert said.result is Result.FAIL or said.disposition is Policy.NONE
    if said.published is not None and said.published.record.applies and domain in proved:
        assert said.result is Result.PASS
    if said.published is not None:
        assert domain == said.published.domain or domain.endswith(f".{said.published.domain}")
