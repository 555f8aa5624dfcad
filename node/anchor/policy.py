"""Policies: by which rules the node judged mail at a time. A document in canonical JSON, named by its SHA-256.

{"version": "waxseal.policy/1", "salt": ..., "settings": {...}, "domains": [...], "gates": [...]}

`settings` is what the settings file says of filter, gates and retention, `domains` and `gates` are what the database
says; neither holds a secret. `salt` is 16 random bytes, new with each change: the hash is published (on a chain, in
leaves' encodings), and must not let anybody guess whose mailbox has which gate.

A policy is stored when it differs from the one before: `enforce` at the node's start, `refresh` in the transaction that
changes a gate or a domain. It is never changed or removed, and each change is an event of the audit trail.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.anchor import audit, canonical_json
from node.anchor.canonical_json import CanonicalError, Json
from node.base.errors import WaxsealError
from node.store import domains, gates, policies
from node.store.database import Reading, Writing
from node.store.policies import Policy, current, get, listing

__all__ = ["Policy", "PolicyError", "current", "enforce", "get", "listing", "parse", "refresh"]

VERSION = "waxseal.policy/1"
SALT_SIZE = 16
MAX_LISTED = 500  # domains, and gates; of more, or
MAX_OCTETS = 256 << 10  # of larger ones, the document holds number and hash


class PolicyError(WaxsealError):
    """The document is no policy; the text says why."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal["waxseal.policy/1"]
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    settings: dict[str, Any]
    domains: list[dict[str, Any]] | dict[str, Any]
    gates: list[dict[str, Any]] | dict[str, Any]


def enforce(tx: Writing, settings: Mapping[str, Json]) -> Policy:
    """Put in force what the settings file says now, with the database's domains and gates.

    Returns:
        The policy in force, which is the one before where nothing changed.
    """
    return _put(tx, policies.current(tx), {"settings": settings, **_of_database(tx)})


def refresh(tx: Writing) -> Policy | None:
    """Put in force what the database says now, under the settings of the policy before. Call it in the transaction
    that changed a domain or a gate. None before the node's first start, which puts all of it in force."""
    before = policies.current(tx)
    if before is None:
        return None
    return _put(tx, before, {"settings": parse(before.document)["settings"], **_of_database(tx)})


def parse(document: bytes) -> dict[str, Any]:
    """Read a policy document; only the one canonical spelling is taken.

    Raises:
        PolicyError: with what is wrong.
    """
    try:
        return _Document.model_validate(canonical_json.read(document)).model_dump()
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, item['loc'])) or 'document'}: {item['msg']}" for item in error.errors())
        raise PolicyError("this is no policy: " + "; ".join(faults)) from None
    except CanonicalError as error:
        raise PolicyError(f"this is no policy: {error}") from None


def _put(tx: Writing, before: Policy | None, content: Mapping[str, Json]) -> Policy:
    try:
        old = parse(before.document) if before else {}
    except PolicyError:  # somebody's hand was in the database: what is in force now is said all the same
        old, before = {}, None
    if before and canonical_json.write({name: old[name] for name in content}) == canonical_json.write(content):
        return before
    salt = secrets.token_hex(SALT_SIZE)
    document = canonical_json.write({"version": VERSION, "salt": salt, **content})
    now = int(time.time())
    put = policies.add(tx, hashlib.sha256(document).digest(), document, now)
    changed = " ".join(sorted(name for name in content if old.get(name) != content[name]))
    details: dict[str, audit.Detail] = {
        "number": put.number,
        "before": before.hash.hex() if before else "",
        "changed": changed,
    }
    audit.record(tx, audit.Kind.POLICY_CHANGED, audit.NODE, put.hash.hex(), details, now)
    return put


def _of_database(tx: Reading) -> dict[str, Json]:
    listed = [
        {
            "name": each.name,
            "separator": each.separator,
            "tag_folders": each.tag_folders,
            "catch_all": each.catch_all,
        }
        for each in domains.everything(tx)
    ]
    rules = [
        {"use": each.use, "target": each.target, "rule": each.rule, "revoke": each.revoke, "others": each.others}
        for each in gates.listing(tx)
    ]
    return {"domains": _bounded(cast("list[Json]", listed)), "gates": _bounded(cast("list[Json]", rules))}


def _bounded(listed: list[Json]) -> Json:
    """The list itself, or of a long one number and hash: the document stays small, and still changes with it."""
    written = [canonical_json.write(each) for each in listed]
    if len(listed) <= MAX_LISTED and sum(map(len, written)) <= MAX_OCTETS:
        return listed
    digest = hashlib.sha256()
    for each in written:
        digest.update(hashlib.sha256(each).digest())
    return {"number": len(listed), "sha256": digest.hexdigest()}
