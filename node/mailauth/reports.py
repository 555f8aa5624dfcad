"""DMARC aggregate reports, read and written: who sent mail in a domain's name, and what became of it.

Read are RFC 9990's form and that of RFC 7489 appendix C, as reporters really write them: elements in any order and
case, without a namespace, with values left out. Written is RFC 9990's.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from xml.sax.saxutils import escape

from node.mailauth.dmarc import Override, OverrideType
from node.mailauth.unpack import ReportError, unpacked
from node.mailauth.xml_tree import Element, parse_xml

MAX_ROWS = 20_000
MAX_RESULTS = 100  # of one row and method (RFC 9990 §3.1.3)
MAX_NAME = 255  # characters of any value kept
NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"

_WORD = re.compile(r"[a-z_]{1,32}\Z")
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 §2.2
_OVERRIDES = {str(kind): kind for kind in OverrideType}


@dataclass(frozen=True, slots=True)
class Proof:
    """What SPF or DKIM found, unaligned or not.

    Attributes:
        method: "spf" or "dkim".
        result: a word of RFC 8601 §2.7, as reported.
        selector: of a signature.
        scope: "mfrom" or "helo", of SPF.
    """

    method: str
    domain: str
    result: str
    selector: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Messages alike: one source, one result.

    Attributes:
        source: the sender's IP address.
        disposition: "none", "pass", "quarantine" or "reject".
        dkim, spf: True where it passed and was aligned.
    """

    source: str
    count: int
    disposition: str
    dkim: bool
    spf: bool
    header_from: str
    envelope_from: str = ""
    envelope_to: str = ""
    overrides: tuple[Override, ...] = ()
    proofs: tuple[Proof, ...] = ()

    @property
    def passed(self) -> bool:
        """True when DMARC passed."""
        return self.dkim or self.spf


@dataclass(frozen=True, slots=True)
class Report:
    """One aggregate report.

    Attributes:
        organisation, email, contact, id: the reporter's, and its name for the report.
        begin, end: unix seconds.
        domain: where the policy stands that is reported on.
        policy: its tags as reported: p, sp, np, adkim, aspf, pct, fo, testing, discovery_method.
        errors: in the reporter's words.
        passed_over: rows that made no sense.
    """

    organisation: str
    email: str
    id: str
    begin: int
    end: int
    domain: str
    policy: tuple[tuple[str, str], ...] = ()
    rows: tuple[Row, ...] = ()
    contact: str = ""
    errors: tuple[str, ...] = ()
    passed_over: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """A report in a few numbers, counted in messages.

    Attributes:
        dispositions: messages by what became of them.
        failing: the ten sources with most messages that failed, and how many.
    """

    messages: int
    passed: int
    spf: int
    dkim: int
    dispositions: tuple[tuple[str, int], ...]
    failing: tuple[tuple[str, int], ...]


_TAGS = ("discovery_method", "p", "sp", "np", "adkim", "aspf", "pct", "testing", "fo")


def parse_report(data: bytes) -> Report:
    """Read a report file: XML, or that in gzip or zip.

    Raises:
        ReportError: it is no aggregate report, broken, or larger than one may be.
    """
    rows: list[Row] = []
    passed_over = 0

    def seen(element: Element) -> bool:
        nonlocal passed_over
        if element.name != "record":
            return False
        row = _row(element)
        if row is None:
            passed_over += 1
        else:
            rows.append(row)
        if len(rows) + passed_over > MAX_ROWS:
            raise ReportError(f"the report has more than {MAX_ROWS} records")
        return True

    root = parse_xml(unpacked(data), seen)
    if root.name != "feedback":
        raise ReportError("this is no DMARC aggregate report: its root is not <feedback>")
    return replace(_frame(root), rows=tuple(rows), passed_over=passed_over)


def _frame(root: Element) -> Report:
    metadata, published = root.child("report_metadata"), root.child("policy_published")
    dates = metadata.child("date_range")
    begin, end = _number(dates.value("begin")), _number(dates.value("end"))
    domain = _domain(published.value("domain"))
    if begin is None or end is None or not domain:
        raise ReportError("the report does not say for which domain and days it is")
    return Report(
        organisation=metadata.value("org_name")[:MAX_NAME],
        email=metadata.value("email")[:MAX_NAME],
        id=metadata.value("report_id")[:MAX_NAME],
        begin=begin,
        end=end,
        domain=domain,
        policy=tuple((tag, value[:MAX_NAME]) for tag in _TAGS if (value := published.value(tag))),
        contact=metadata.value("extra_contact_info")[:MAX_NAME],
        errors=tuple(text for each in list(metadata.all("error"))[:20] if (text := _inside(each))),
    )


def _inside(element: Element) -> str:
    return Element("", children=[element]).value(element.name)[:MAX_NAME]


def _number(text: str) -> int | None:
    """Seconds or messages; some reporters write 1.0."""
    whole = text.partition(".")[0]
    return int(whole) if whole.isascii() and whole.isdigit() and len(whole) <= 12 else None


def _domain(text: str) -> str:
    return text[:MAX_NAME].lower().removesuffix(".")


def _word(text: str) -> str:
    text = text.lower()
    return text if _WORD.match(text) else ""


def _row(record: Element) -> Row | None:
    """One record, or None when it does not say who sent how much."""
    row, named = record.child("row"), record.child("identifiers")
    judged = row.child("policy_evaluated")
    count = _number(row.value("count"))
    try:
        source = str(ip_address(row.value("source_ip")))
    except ValueError:
        return None
    if count is None:
        return None
    return Row(
        source=source,
        count=count,
        disposition=_word(judged.value("disposition")) or "none",
        dkim=_word(judged.value("dkim")) == "pass",
        spf=_word(judged.value("spf")) == "pass",
        header_from=_domain(named.value("header_from")),
        envelope_from=_domain(named.value("envelope_from")),
        envelope_to=_domain(named.value("envelope_to")),
        overrides=tuple(_override(each) for each in list(judged.all("reason"))[:MAX_RESULTS]),
        proofs=_proofs(record.child("auth_results")),
    )


def _override(reason: Element) -> Override:
    kind = _OVERRIDES.get(_word(reason.value("type")), OverrideType.OTHER)
    return Override(kind, reason.value("comment")[:MAX_NAME])


def _proofs(results: Element) -> tuple[Proof, ...]:
    found = []
    for method in ("dkim", "spf"):
        for each in list(results.all(method))[:MAX_RESULTS]:
            domain, result = _domain(each.value("domain")), _word(each.value("result"))
            if domain or result:
                selector = each.value("selector")[:MAX_NAME] if method == "dkim" else ""
                scope = _word(each.value("scope")) if method == "spf" else ""
                found.append(Proof(method, domain, result or "none", selector, scope))
    return tuple(found)


def summary(rows: Iterable[Row]) -> Summary:
    """Count what a report, or several, say."""
    dispositions: Counter[str] = Counter()
    failing: Counter[str] = Counter()
    messages = passed = spf = dkim = 0
    for row in rows:
        messages += row.count
        passed += row.count if row.passed else 0
        spf += row.count if row.spf else 0
        dkim += row.count if row.dkim else 0
        dispositions[row.disposition] += row.count
        if not row.passed:
            failing[row.source] += row.count
    return Summary(messages, passed, spf, dkim, tuple(sorted(dispositions.items())), tuple(failing.most_common(10)))


def build_report(report: Report) -> bytes:
    """The report as XML (RFC 9990 appendix A), without wrapping."""
    metadata = [
        _leaf("org_name", report.organisation),
        _leaf("email", report.email),
        *([_leaf("extra_contact_info", report.contact)] if report.contact else []),
        _leaf("report_id", report.id),
        _branch("date_range", [_leaf("begin", report.begin), _leaf("end", report.end)]),
        *(_leaf("error", error) for error in report.errors),
    ]
    published = [_leaf("domain", report.domain), *(_leaf(tag, value) for tag, value in report.policy)]
    content = [
        _leaf("version", "1.0"),
        _branch("report_metadata", metadata),
        _branch("policy_published", published),
        *(_branch("record", _record(row)) for row in report.rows),
    ]
    whole = "".join(f"{part}\n" for part in content)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<feedback xmlns="{NAMESPACE}">\n{whole}</feedback>\n'.encode()


def packed(report: Report) -> bytes:
    """The same in gzip, the same octets each time (RFC 7489 §7.2.1.1)."""
    return gzip.compress(build_report(report), mtime=0)


def file_name(report: Report, receiver: str) -> str:
    """What the file is called (RFC 7489 §7.2.1.1): receiver!domain!begin!end.xml.gz."""
    return f"{receiver}!{report.domain}!{report.begin}!{report.end}.xml.gz"


def _record(row: Row) -> list[str]:
    judged = [
        _leaf("disposition", row.disposition),
        _leaf("dkim", "pass" if row.dkim else "fail"),
        _leaf("spf", "pass" if row.spf else "fail"),
        *(_branch("reason", [_leaf("type", each.type), _leaf("comment", each.comment)]) for each in row.overrides),
    ]
    named = [("envelope_to", row.envelope_to), ("envelope_from", row.envelope_from), ("header_from", row.header_from)]
    return [
        _branch(
            "row",
            [_leaf("source_ip", row.source), _leaf("count", row.count), _branch("policy_evaluated", judged)],
        ),
        _branch("identifiers", [_leaf(name, value) for name, value in named if value or name == "header_from"]),
        _branch("auth_results", [_branch(proof.method, _proof(proof)) for proof in row.proofs]),
    ]


def _proof(proof: Proof) -> list[str]:
    more = [("selector", proof.selector)] if proof.method == "dkim" else [("scope", proof.scope)]
    pairs = [("domain", proof.domain), *more, ("result", proof.result)]
    return [_leaf(name, value) for name, value in pairs if value]


def _leaf(name: str, value: str | int) -> str:
    return f"<{name}>{escape(_ILLEGAL.sub('?', str(value)))}</{name}>"


def _branch(name: str, inside: list[str]) -> str:
    return f"<{name}>{''.join(inside)}</{name}>"
