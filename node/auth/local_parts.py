"""Which addresses people may take for themselves: short plain names that speak for nobody else."""

from __future__ import annotations

import re
from collections.abc import Collection

SHORTEST, LONGEST = 3, 32
_FORM = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*\Z", re.ASCII)
_WALLET = re.compile(r"0x[0-9a-f]+\Z", re.ASCII)

# RFC 2142; names to which certificate authorities send proofs of control (CA/Browser Forum Baseline Requirements
# §3.2.2.4.4); names that clients and other servers look for; and names that would be believed to be the operator.
RESERVED = frozenset(
    """
    abuse admin administrator autoconfig autodiscover billing bounce bounces contact daemon dmarc dmarc-reports domain
    ftp help helpdesk hostmaster info it-support list list-request mail mailer-daemon marketing moderator mta-sts news
    no-reply nobody noc noreply office operator owner payments postmaster root sales security service ssl ssladmin
    ssladministrator sslwebmaster staff support sysadmin system team tls-reports tlsrpt undisclosed-recipients usenet
    user uucp waxseal webmaster www
    """.split()  # noqa: SIM905 - read at a glance
)


def mistake(local: str, reserved: Collection[str] = ()) -> str:
    """What is wrong with a local part that somebody wants; "" when nothing is.

    Args:
        local: as typed, in lower case.
        reserved: further names nobody may take.
    """
    if not SHORTEST <= len(local) <= LONGEST:
        return f"an address here has {SHORTEST} to {LONGEST} characters before the @"
    if not _FORM.match(local):
        return "use the letters a to z and digits, with single dots, hyphens or underscores between them"
    # Without separators, so that "ad.min" and "no_reply" are as reserved as what they look like.
    plain = re.sub(r"[._-]", "", local)
    if any(plain == re.sub(r"[._-]", "", name) for name in (*RESERVED, *reserved)):
        return "this address is reserved"
    if local.endswith(".eth") or _WALLET.match(local):
        return "names of ENS and of wallets belong to who holds them there; choose another address"
    return ""
