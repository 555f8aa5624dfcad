"""What an event of the audit trail says: a document in canonical JSON, of which the log holds a salted hash.

{"actor":"operator","details":{"rule":"..."},"kind":"gate-set","number":17,"subject":"ann@example.org",
"time":1763676000,"version":"waxseal.event/1"}

Events are numbered from 1 without a gap; the number stands in the document, so that one that was taken out is missed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.anchor import canonical_json
from node.anchor.canonical_json import CanonicalError
from node.anchor.leaf import EventLeaf
from node.base.errors import WaxsealError

VERSION = "waxseal.event/1"
MAX_TEXT = 500  # characters of an actor, a subject, a detail
MAX_DETAILS = 20
OPERATOR = "operator"  # the actor of what is done on the machine's command line
NODE = "node"  # the actor of what the node does by itself

Detail = str | int | bool


class EventError(WaxsealError):
    """The document is no event; the text says why."""


class Kind(StrEnum):
    """What an event can be. The list is closed; names once given stay."""

    # ways in
    LOGIN = "login"
    LOGIN_FAILURES = "login-failures"
    NETWORK_BLOCKED = "network-blocked"
    NETWORK_UNBLOCKED = "network-unblocked"
    PASSWORD_SET = "password-set"  # noqa: S105
    PASSWORD_REMOVED = "password-removed"  # noqa: S105
    TOTP_ADDED = "totp-added"
    TOTP_REMOVED = "totp-removed"
    RECOVERY_CODES_MADE = "recovery-codes-made"
    RECOVERED = "recovered"
    PASSKEY_ADDED = "passkey-added"
    PASSKEY_REMOVED = "passkey-removed"
    PASSKEY_COPIED = "passkey-copied"
    IDENTITY_BOUND = "identity-bound"
    IDENTITY_UNBOUND = "identity-unbound"
    # what others may do
    APP_PASSWORD_MADE = "app-password-made"  # noqa: S105
    APP_PASSWORD_REVOKED = "app-password-revoked"  # noqa: S105
    GRANT_GIVEN = "grant-given"
    GRANT_ENDED = "grant-ended"
    CODE_REPLAYED = "oauth-code-replayed"
    REFRESH_REUSED = "oauth-refresh-reused"
    ROLE_GIVEN = "role-given"
    ROLE_TAKEN = "role-taken"
    SHARED = "shared"
    UNSHARED = "unshared"
    INVITED = "invited"
    INVITATION_WITHDRAWN = "invitation-withdrawn"
    # the directory
    DOMAIN_ADDED = "domain-added"
    DOMAIN_CHANGED = "domain-changed"
    DOMAIN_REMOVED = "domain-removed"
    DOMAIN_GIVEN = "domain-given"
    PERSON_ADDED = "person-added"
    PERSON_REMOVED = "person-removed"
    ADDRESS_RELEASED = "address-released"
    ALIAS_ADDED = "alias-added"
    ALIAS_REMOVED = "alias-removed"
    GROUP_ADDED = "group-added"
    GROUP_REMOVED = "group-removed"
    MEMBER_ADDED = "member-added"
    MEMBER_REMOVED = "member-removed"
    QUOTA_SET = "quota-set"
    TENANT_ADDED = "tenant-added"
    TENANT_CHANGED = "tenant-changed"
    TENANT_REMOVED = "tenant-removed"
    ADMIN_ADDED = "admin-added"
    ADMIN_REMOVED = "admin-removed"
    DID_PUBLISHED = "did-published"
    DID_WITHDRAWN = "did-withdrawn"
    # rules
    GATE_SET = "gate-set"
    GATE_REMOVED = "gate-removed"
    POLICY_CHANGED = "policy-changed"
    LEARNED_RESET = "learned-reset"
    # mail
    HELD_RELEASED = "held-released"
    HELD_DROPPED = "held-dropped"
    HELD_EXPIRED = "held-expired"
    SENDING_SLOWED = "sending-slowed"
    SENDING_HELD = "sending-held"
    SENDING_LOCKED = "sending-locked"
    SENDING_UNLOCKED = "sending-unlocked"
    LEGAL_HOLD_BEGAN = "legal-hold-began"
    LEGAL_HOLD_ENDED = "legal-hold-ended"
    RETENTION = "retention"
    # the node's keys
    KEY_IN_USE = "key-in-use"
    KEY_ROTATED = "key-rotated"
    KEY_REVOKED = "key-revoked"


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        number: 1 for the first of this node, and so on.
        time: seconds since 1970, UTC.
        kind: of the closed list.
        actor: who did it: an address, "operator", or "node".
        subject: whom or what it is about: an address, a domain, a network, a number.
        details: what else there is to know; never a secret.
    """

    number: int
    time: int
    kind: Kind
    actor: str
    subject: str = ""
    details: Mapping[str, Detail] = field(default_factory=dict)

    @property
    def document(self) -> bytes:
        """The event in canonical JSON."""
        return canonical_json.write(
            {
                "version": VERSION,
                "number": self.number,
                "time": self.time,
                "kind": self.kind.value,
                "actor": self.actor,
                "subject": self.subject,
                "details": dict(self.details),
            }
        )

    def leaf(self, salt: bytes) -> EventLeaf:
        """The leaf that stands for the event in the log."""
        return EventLeaf(hashlib.sha256(self.document).digest(), self.time, salt)


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal["waxseal.event/1"]
    number: Annotated[int, Field(ge=1)]
    time: Annotated[int, Field(ge=0)]
    kind: str
    actor: Annotated[str, Field(max_length=MAX_TEXT)]
    subject: Annotated[str, Field(max_length=MAX_TEXT)]
    details: Annotated[
        dict[str, bool | int | Annotated[str, Field(max_length=MAX_TEXT)]], Field(max_length=MAX_DETAILS)
    ]


def parse(document: bytes) -> Event:
    """Read an event document; only the one canonical spelling is taken.

    Raises:
        EventError: with what is wrong.
    """
    try:
        found = _Document.model_validate(canonical_json.read(document))
        return Event(found.number, found.time, Kind(found.kind), found.actor, found.subject, found.details)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, item['loc'])) or 'document'}: {item['msg']}" for item in error.errors())
        raise EventError("this is no event: " + "; ".join(faults)) from None
    except (CanonicalError, ValueError) as error:
        raise EventError(f"this is no event: {error}") from None


def tame(text: str) -> str:
    """Text that any document can hold: of bounded length, without half characters or control characters."""
    shown = text[:MAX_TEXT].encode("utf-8", "replace").decode()
    return "".join(each if each.isprintable() else "?" for each in shown)
