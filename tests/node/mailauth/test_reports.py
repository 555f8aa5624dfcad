"""Aggregate reports: as reporters write them, as attackers do, and our own read again."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mailauth.dmarc import Override, OverrideType
from node.mailauth.reports import (
    Proof,
    Report,
    Row,
    build_report,
    file_name,
    packed,
    parse_report,
    summary,
)
from node.mailauth.unpack import MAX_PACKED, MAX_PLAIN, ReportError, unpacked

RECORD = """
  <record>
    <row><source_ip>192.0.2.7</source_ip><count>3</count>
      <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>pass</spf>
        <reason><type>other</type><comment>DMARC policy overridden for mail from this list</comment></reason>
      </policy_evaluated></row>
    <identifiers><header_from>example.com</header_from></identifiers>
    <auth_results>
      <dkim><domain>example.com</domain><result>fail</result><human_result></human_result></dkim>
      <spf><domain>example.com</domain><result>pass</result></spf>
    </auth_results>
  </record>"""
METADATA = """
  <report_metadata>
    <org_name>acme.com</org_name>
    <email>noreply-dmarc-support@acme.com</email>
    <extra_contact_info>http://acme.com/dmarc/support</extra_contact_info>
    <report_id>9391651994964116463</report_id>
    <date_range><begin>1335571200</begin><end>1335657599</end></date_range>
  </report_metadata>"""
PUBLISHED = """
  <policy_published>
    <domain>example.com</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct>
  </policy_published>"""
OLD = f'<?xml version="1.0" encoding="UTF-8" ?>\n<feedback>{METADATA}{PUBLISHED}{RECORD}\n</feedback>'.encode()
ROW = Row(
    source="192.0.2.7",
    count=3,
    disposition="none",
    dkim=False,
    spf=True,
    header_from="example.com",
    overrides=(Override(OverrideType.OTHER, "DMARC policy overridden for mail from this list"),),
    proofs=(Proof("dkim", "example.com", "fail"), Proof("spf", "example.com", "pass")),
)
EXPECTED = Report(
    organisation="acme.com",
    email="noreply-dmarc-support@acme.com",
    id="9391651994964116463",
    begin=1335571200,
    end=1335657599,
    domain="example.com",
    policy=(("p", "none"), ("sp", "none"), ("adkim", "r"), ("aspf", "r"), ("pct", "100")),
    rows=(ROW,),
    contact="http://acme.com/dmarc/support",
)


def zipped(content: bytes, name: str = "acme.com!example.com!1!2.xml", kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [OLD, gzip.compress(OLD), zipped(OLD), zipped(OLD, kind=zipfile.ZIP_STORED), zipped(OLD, "report"),
     gzip.compress(OLD[:100]) + gzip.compress(OLD[100:]), OLD.decode().encode("utf-16").replace(b"UTF-8", b"")],
    ids=["xml", "gzip", "zip", "zip-stored", "zip-unnamed", "gzip-members", "utf-16"],
)  # fmt: skip
def test_the_old_form_in_every_wrapping(data: bytes) -> None:
    if data.startswith(b"\xff\xfe"):
        data = OLD.decode().replace("UTF-8", "UTF-16").encode("utf-16")
    assert parse_report(data) == EXPECTED


def test_the_new_form() -> None:  # RFC 9990 appendix B, abridged
    text = f"""<?xml version="1.0"?>
    <feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><version>1.0</version>{METADATA}
      <policy_published><domain>example.com</domain><discovery_method>treewalk</discovery_method>
        <p>reject</p><sp>none</sp><np>reject</np><testing>y</testing><fo>1</fo></policy_published>
      <extension><x:y xmlns:x="urn:x">z</x:y></extension>
      <record><row><source_ip>2001:DB8::1</source_ip><count>1</count><policy_evaluated>
        <disposition>quarantine</disposition><dkim>fail</dkim><spf>fail</spf>
        <reason><type>policy_test_mode</type></reason></policy_evaluated></row>
        <identifiers><envelope_from>b.example.com</envelope_from><header_from>Example.COM.</header_from></identifiers>
        <auth_results><dkim><domain>x.example</domain><selector>s1</selector><result>pass</result></dkim>
        <spf><domain>b.example.com</domain><scope>mfrom</scope><result>softfail</result></spf></auth_results></record>
    </feedback>"""
    found = parse_report(text.encode())
    assert dict(found.policy)["discovery_method"] == "treewalk"
    assert found.rows == (
        Row(
            "2001:db8::1", 1, "quarantine", dkim=False, spf=False, header_from="example.com",
            envelope_from="b.example.com", overrides=(Override(OverrideType.POLICY_TEST_MODE),),
            proofs=(Proof("dkim", "x.example", "pass", "s1"), Proof("spf", "b.example.com", "softfail", scope="mfrom")),
        ),
    )  # fmt: skip


def test_how_reporters_deviate() -> None:
    odd = OLD.decode().replace("<disposition>none<", "<disposition> None\n<").replace("<spf>pass<", "<spf>Pass<")
    odd = (
        odd.replace("<count>3<", "<count>3.0<").replace("<sp>none</sp>", "<sp/>").replace("1335571200", "1335571200.5")
    )
    odd = odd.replace(PUBLISHED, "").replace("</record>", f"</record>{PUBLISHED}")
    odd = odd.replace("<pct>100</pct>", "<pct></pct>").replace("<type>other<", "<type>something new<")
    found = parse_report(odd.encode())
    assert found.rows == EXPECTED.rows
    assert found.policy == (("p", "none"), ("adkim", "r"), ("aspf", "r"))


@pytest.mark.parametrize("broken", ["<source_ip>localhost<", "<source_ip><", "<count>many<", "<count>-1<"])
def test_a_row_without_sense_is_counted_and_passed_over(broken: str) -> None:
    name = broken.partition(">")[0]
    before = "192.0.2.7" if name == "<source_ip" else "3"
    found = parse_report(OLD.decode().replace(f"{name}>{before}<", broken).encode())
    assert (found.rows, found.passed_over) == ((), 1)


def test_hostile_text_is_cut_and_kept_on_one_line() -> None:
    text = OLD.decode().replace("acme.com<", f"a&#10;b&#x202e;{'x' * 9000}<")
    assert parse_report(text.encode()).organisation == "a b" + "x" * 252


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE feedback [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<feedback>&b;</feedback>"""
OUTSIDE = (
    b"""<?xml version="1.0"?><!DOCTYPE feedback [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback>&x;</feedback>"""
)
FAR_DTD = b"""<?xml version="1.0"?><!DOCTYPE feedback SYSTEM "http://192.0.2.1/x.dtd"><feedback/>"""


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (LAUGHS, "document type"),
        (OUTSIDE, "document type"),
        (FAR_DTD, "document type"),
        (b"<feedback>&x;</feedback>", "XML"),
        (b"", "XML"),
        (b"hello", "XML"),
        (OLD[:-20], "XML"),
        (b"\xff" + OLD, "XML"),
        (b'<?xml version="1.0" encoding="no-such"?><feedback/>', "XML"),
        (b"<html/>", "root"),
        (b"<feedback/>", "which domain"),
        (b"<a>" * 17, "deeply"),
        (b"<feedback><record>" + b"<a/>" * 5001, "too many elements"),
        (b"<feedback>" + b"<a/>" * 5001, "too many elements"),
        (b"<feedback>" + b"<record/>" * 20_001, "more than 20000 records"),
        (b"x" * (MAX_PACKED + 1), "larger than 10 MiB"),
        (gzip.compress(bytes(MAX_PLAIN + 1)), "when unpacked"),
        (gzip.compress(bytes(MAX_PLAIN)) + gzip.compress(b"xx"), "when unpacked"),
        (zipped(bytes(MAX_PLAIN + 1)), "when unpacked"),
        (gzip.compress(OLD)[:-30], "ends too early"),
        (gzip.compress(OLD)[:20] + b"\xff" * 50, "broken gzip"),
        (zipped(OLD)[:-40], "broken zip"),
        (zipped(OLD).replace(b"PK\x01\x02", b"PK\x01\x03"), "broken zip"),
        (gzip.compress(gzip.compress(OLD)), "XML"),
        (zipped(zipped(OLD)), "XML"),
        (zipped(OLD, kind=zipfile.ZIP_LZMA), "uncommon"),
    ],
    ids=lambda each: each if isinstance(each, str) else "data",  # archives carry the time: no names for tests
)  # fmt: skip
def test_what_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ReportError, match=why):
        parse_report(data)


def test_a_size_that_is_a_lie_does_not_help() -> None:
    bomb = bytearray(zipped(bytes(MAX_PLAIN + 1)))
    at = bomb.rindex(b"PK\x01\x02")
    bomb[at + 24 : at + 28] = (100).to_bytes(4, "little")
    with pytest.raises(ReportError):
        parse_report(bytes(bomb))


def test_archives_with_many_files_and_locked_ones() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(1000):
            archive.writestr(f"{number}", b"")
    with pytest.raises(ReportError, match="too many files"):
        unpacked(buffer.getvalue())
    locked = bytearray(zipped(OLD))
    locked[locked.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ReportError, match="encrypted"):
        unpacked(bytes(locked))


def test_ours_is_named_and_the_same_each_time() -> None:
    assert file_name(EXPECTED, "mx.house.example") == "mx.house.example!example.com!1335571200!1335657599.xml.gz"
    assert packed(EXPECTED) == packed(EXPECTED)
    assert parse_report(packed(EXPECTED)) == EXPECTED
    assert b'<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">' in build_report(EXPECTED)


def test_summary() -> None:
    rows = (ROW, Row("192.0.2.9", 10, "reject", dkim=False, spf=False, header_from="example.com"))
    found = summary(rows)
    assert (found.messages, found.passed, found.spf, found.dkim) == (13, 3, 3, 0)
    assert found.dispositions == (("none", 3), ("reject", 10))
    assert found.failing == (("192.0.2.9", 10),)


@given(st.binary(max_size=200), st.sampled_from([b"", b"<feedback>", b"\x1f\x8b\x08\0", b"PK\x03\x04", OLD[:800]]))
def test_any_octets_are_a_report_or_refused(data: bytes, before: bytes) -> None:
    try:
        found = parse_report(before + data)
    except ReportError:
        return
    assert found.domain


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)
HOSTS = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z]{1,5}){1,2}", fullmatch=True)
PROOFS = st.one_of(
    st.builds(Proof, st.just("dkim"), HOSTS, st.sampled_from(["pass", "fail", "temperror"]), TEXT, st.just("")),
    st.builds(Proof, st.just("spf"), HOSTS, st.sampled_from(["pass", "softfail"]), st.just(""), st.just("mfrom")),
)
ROWS = st.builds(
    Row,
    source=st.ip_addresses().map(str),
    count=st.integers(0, 10**9),
    disposition=st.sampled_from(["none", "pass", "quarantine", "reject"]),
    dkim=st.booleans(),
    spf=st.booleans(),
    header_from=HOSTS,
    envelope_from=st.one_of(st.just(""), HOSTS),
    overrides=st.lists(st.builds(Override, st.sampled_from(OverrideType), TEXT), max_size=2).map(tuple),
    proofs=st.lists(PROOFS, max_size=3).map(lambda proofs: tuple(sorted(proofs, key=lambda proof: proof.method))),
)


@given(st.lists(ROWS, max_size=4), TEXT, TEXT, HOSTS)
def test_what_is_built_is_read_again(rows: list[Row], organisation: str, name: str, domain: str) -> None:
    report = Report(
        organisation, "dmarc@x.example", name, 1, 2, domain, (("p", "reject"),), tuple(rows), errors=(name,)
    )
    assert parse_report(build_report(report)) == report
