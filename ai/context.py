"""What the node knows about a message beside its bytes. Every field has a neutral default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Context:
    """Facts from the delivery, the directory and the store.

    Attributes:
        recipient_domains: domains that the message is delivered to here, lower case.
        recipient_names: display names of those people.
        colleague_names: display names of other people of these domains.
        own_hosts: names under which this node's own login is reached, lower case.
        first_contact: no mail was ever exchanged with this sender; None when unknown.
        reply_to_ours: it answers a message that one of the recipients sent.
        spf, dkim, dmarc: results of our own verification (RFC 8601 §2.7); "none" where it did not take place.
        reputation: 0 (only junk came from there) to 1 (only wanted mail), None when unknown.
    """

    recipient_domains: tuple[str, ...] = ()
    recipient_names: tuple[str, ...] = ()
    colleague_names: tuple[str, ...] = ()
    own_hosts: tuple[str, ...] = ()
    first_contact: bool | None = None
    reply_to_ours: bool = False
    spf: str = "none"
    dkim: str = "none"
    dmarc: str = "none"
    reputation: float | None = None


NOTHING = Context()
