"""DMARC: does whoever the From field names stand behind this message? (RFC 9989; RFC 7489 as the other way)

`evaluate` compares the author's domain with what SPF and DKIM have proved, finds what the domain's owner asks for, and
says what that means for this message. What really becomes of it is the receiver's decision (RFC 9989 §5.4).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from node.mailauth.authres import AuthResults
from node.mailauth.dmarc_author import Author
from node.mailauth.dmarc_discovery import Discovery, Published
from node.mailauth.dmarc_record import Policy
from node.mailauth.resolver import DnsTemporary, NoSuchName, Resolver
from node.mailauth.result import MethodResult, Result

MAX_IDENTITIES = 20  # that are compared with the author
MAX_AUTHORS = 4  # domains of one From field that are looked up


@dataclass(frozen=True, slots=True)
class Identity:
    """A domain that SPF or DKIM speaks of.

    Attributes:
        method: "spf" or "dkim".
        domain: MAIL FROM's (HELO's for the null sender), or the signature's d=; lower-case A-labels.
        result: what the method found.
        selector: the signature's s=.
    """

    method: str
    domain: str
    result: Result
    selector: str = ""


class OverrideType(StrEnum):
    """Why a policy is not applied, in the words of aggregate reports (RFC 7489 appendix C, RFC 9990)."""

    FORWARDED = "forwarded"
    SAMPLED_OUT = "sampled_out"
    TRUSTED_FORWARDER = "trusted_forwarder"
    MAILING_LIST = "mailing_list"
    LOCAL_POLICY = "local_policy"
    POLICY_TEST_MODE = "policy_test_mode"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Override:
    """One such reason, with a remark for people."""

    type: OverrideType
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What DMARC says about a message.

    Attributes:
        result: pass, fail, none (no policy or no author), temperror, permerror (several authors).
        author: the author's domain, "" when there is not precisely one.
        published: the record that holds, None without.
        policy: what the owner asks for mail of this author that fails.
        disposition: what that comes to for this message; NONE unless it fails.
        spf, dkim: the aligned domain that passed, "" for none.
        overrides: why the disposition is milder than the policy.
        detail: in words for people.
        discovery: "treewalk" or "psl".
    """

    result: Result
    author: str = ""
    published: Published | None = None
    policy: Policy = Policy.NONE
    disposition: Policy = Policy.NONE
    spf: str = ""
    dkim: str = ""
    overrides: tuple[Override, ...] = ()
    detail: str = ""
    discovery: str = "treewalk"

    def method_result(self) -> MethodResult:
        """As Authentication-Results shows it (RFC 8601 §2.2, RFC 9989 §4.9)."""
        properties = [("header.from", self.author)] if self.author else []
        if self.published is not None:
            properties.append(("policy.dmarc", str(self.disposition)))
        asked = f"policy {self.policy} at {self.published.domain}" if self.published else ""
        comment = ", ".join(filter(None, (asked, self.detail)))
        return MethodResult("dmarc", self.result, tuple(properties), comment)


async def evaluate(
    found: Author,
    identities: Sequence[Identity],
    discovery: Discovery,
    resolver: Resolver,
    *,
    sample: int = 0,
) -> Evaluation:
    """Judge a message.

    Args:
        found: whom its From field names.
        identities: what SPF and DKIM found, failures included.
        discovery: one way to find records, made for this message.
        resolver: to see whether a domain exists.
        sample: 0 to 99 by lot, for `pct` of RFC 7489; RFC 9989 knows it no more.
    """
    if found.domain:
        return await _of_author(found.domain, identities, discovery, resolver, sample)
    if not found.domains:
        detail = "no From field" if not found.fields else "no domain in From"
        return Evaluation(Result.NONE, detail=detail, discovery=discovery.method)
    return await _of_several(found, identities, discovery, resolver, sample)


async def _of_several(
    found: Author, identities: Sequence[Identity], discovery: Discovery, resolver: Resolver, sample: int
) -> Evaluation:
    """Nobody can say which of them the reader sees: the strictest policy among those that fail (RFC 7489 §6.6.1)."""
    each = [await _of_author(domain, identities, discovery, resolver, sample) for domain in found.domains[:MAX_AUTHORS]]
    strictest = max((one.disposition for one in each), key=lambda policy: policy.strictness)
    if len(found.domains) > MAX_AUTHORS and strictest is Policy.NONE:
        strictest = Policy.QUARANTINE
    fields = f" in {found.fields} From fields" if found.fields > 1 else ""
    detail = f"{len(found.domains)} author domains{fields}"
    return Evaluation(Result.PERMERROR, disposition=strictest, detail=detail, discovery=discovery.method)


async def _of_author(
    author: str, identities: Sequence[Identity], discovery: Discovery, resolver: Resolver, sample: int
) -> Evaluation:
    blank = Evaluation(Result.NONE, author, discovery=discovery.method)
    try:
        published = await discovery.policy(author)
    except DnsTemporary:
        return replace(blank, result=Result.TEMPERROR, detail="the DNS does not say whether there is a policy")
    if published is None:
        return replace(blank, detail="no policy published")
    if not published.record.applies:
        return replace(blank, detail="the published policy is faulty and names no address for reports")
    aligned = _Alignment(author, published, discovery)
    for identity in identities[:MAX_IDENTITIES]:
        await aligned.see(identity)
    judged = replace(blank, published=published, spf=aligned.passed["spf"], dkim=aligned.passed["dkim"])
    try:
        policy = await _policy(author, published, resolver)
    except DnsTemporary:  # whether the author's domain exists: the milder reading, for nobody is turned away by doubt
        policy = min((published.record.for_subdomain(exists=yes) for yes in (True, False)), key=_strictness)
    judged = replace(judged, policy=policy)
    if judged.spf or judged.dkim:
        return replace(judged, result=Result.PASS)
    if aligned.doubtful:
        return replace(judged, result=Result.TEMPERROR, detail=f"no word from the DNS about {aligned.doubtful}")
    return _failed(judged, sample)


def _strictness(policy: Policy) -> int:
    return policy.strictness


def _failed(judged: Evaluation, sample: int) -> Evaluation:
    """What the policy comes to (RFC 9989 §4.7 `t`; RFC 7489 §6.6.4 `pct`)."""
    assert judged.published is not None
    record, wanted = judged.published.record, judged.policy
    overrides: tuple[Override, ...] = ()
    if record.testing and wanted is not Policy.NONE:
        wanted, overrides = wanted.milder, (Override(OverrideType.POLICY_TEST_MODE, "t=y"),)
    elif judged.discovery == "psl" and wanted is not Policy.NONE and sample >= record.pct:
        wanted, overrides = wanted.milder, (Override(OverrideType.SAMPLED_OUT, f"pct={record.pct}"),)
    return replace(judged, result=Result.FAIL, disposition=wanted, overrides=overrides)


async def _policy(author: str, published: Published, resolver: Resolver) -> Policy:
    """`p` for the record's own domain, `sp` or `np` below it (RFC 9989 §4.10.1)."""
    record = published.record
    if author == published.domain:
        return record.p
    if record.np is None or record.np is record.for_subdomain(exists=True):
        return record.for_subdomain(exists=True)
    try:
        await resolver.a(author)
    except NoSuchName:
        return record.for_subdomain(exists=False)
    return record.for_subdomain(exists=True)


class _Alignment:
    """Compares identities with the author (RFC 9989 §4.4, §4.10.2). One that is aligned and passed is enough."""

    def __init__(self, author: str, published: Published, discovery: Discovery) -> None:
        self._author = author
        self._record = published.record
        self._discovery = discovery
        self.passed = {"spf": "", "dkim": ""}
        self.doubtful = ""  # an aligned identity, or one that may be, about which the DNS was silent

    async def see(self, identity: Identity) -> None:
        """Note what one identity proves."""
        if self.passed[identity.method] or identity.result not in (Result.PASS, Result.TEMPERROR):
            return
        domain = identity.domain.lower().removesuffix(".")
        strict = self._record.strict_dkim if identity.method == "dkim" else self._record.strict_spf
        try:
            if not await self._is_aligned(domain, strict=strict):
                return
        except DnsTemporary:
            self.doubtful = domain
            return
        if identity.result is Result.PASS:
            self.passed[identity.method] = domain
        else:
            self.doubtful = domain

    async def _is_aligned(self, domain: str, *, strict: bool) -> bool:
        if domain == self._author:
            return True
        if strict or not domain:
            return False
        shared = await self._discovery.organisational(self._author)
        # An organisational domain is the name itself or one above it: no need to ask about anybody else's domain.
        if domain != shared and not domain.endswith(f".{shared}"):
            return False
        return await self._discovery.organisational(domain) == shared


def overridden(judged: Evaluation, override: Override | None) -> Evaluation:
    """A failure that is forgiven for a reason the receiver knows: the policy is not applied, and the reason is told."""
    if override is None or judged.disposition is Policy.NONE:
        return judged
    return replace(judged, disposition=Policy.NONE, overrides=(*judged.overrides, override))


def forwarder(
    sealers: Sequence[str], first: AuthResults | None, trusted: Collection[str], *, intact: bool
) -> Override | None:
    """Forgive mail that trusted hands forwarded, when the first of them saw it pass (RFC 8617 §7.2, RFC 7960).

    Args:
        sealers: domain of each ARC set, the first hop first.
        first: what the first hop recorded (its ARC-Authentication-Results).
        trusted: sealing domains that the operator believes, with all below them.
        intact: the whole chain validates.
    """
    names = tuple(name.lower().removesuffix(".") for name in trusted)
    if not intact or first is None or not sealers:
        return None
    for sealer in sealers:  # one stranger in the chain may have changed anything
        if not any(sealer.lower() == name or sealer.lower().endswith(f".{name}") for name in names):
            return None
    if not any(found.method == "dmarc" and found.result is Result.PASS for found in first.results):
        return None
    return Override(OverrideType.TRUSTED_FORWARDER, f"arc=pass, dmarc=pass at {sealers[0]}")
