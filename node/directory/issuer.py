"""What a mail domain signs: that an address and a DID belong together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from identity import jose
from identity.credentials import issue
from identity.credentials.issue import Statement
from identity.did import web
from identity.did.document import Document, Method, Purpose
from identity.did.syntax import Did
from identity.jose import Signer
from node.base.address import Address

FRAGMENT = "issuer"
DAYS = 90  # a credential has no status list: it is short-lived instead


@dataclass(frozen=True, slots=True)
class Issuer:
    """The node's key for credentials, which signs in the name of each of its domains.

    Attributes:
        seed: Ed25519, 32 octets.
    """

    seed: bytes = field(repr=False)

    def signer(self, domain: str) -> Signer:
        """The key in the name of a domain (A-labels)."""
        return jose.ed25519_signer(web.write(domain), FRAGMENT, self.seed)

    def document(self, domain: str) -> Document:
        """The domain's DID document: one key, which signs credentials and logs in nowhere."""
        signer = self.signer(domain)
        id = f"{signer.did}#{FRAGMENT}"
        return Document(str(signer.did), (Method(id, str(signer.did), signer.public),), {Purpose.ASSERTION: (id,)})

    def address_credential(self, address: Address, did: Did, now: datetime, days: int = DAYS) -> str:
        """A credential (application/vc+jwt) by the address' domain that this DID is who reads mail there.

        Args:
            did: bound to the account; the caller has made sure.
            now: aware.
        """
        claims = {"email": str(address), "mailbox": f"mailto:{address}"}
        until = now + timedelta(days=days)
        said = Statement(did, claims, "MailAddressCredential", now, until)
        return issue.credential(self.signer(address.domain), said)
