"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side: text in, text out (RFC 5802, RFC 7677).

The server keeps no password and nothing that logs in by itself; the client learns that the server knows it, too; and
with channel binding (-PLUS) nobody in the middle of two TLS connections can pass the login on.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from identity.refusal import Reason, Refusal

MECHANISM = "SCRAM-SHA-256"
PLUS = "SCRAM-SHA-256-PLUS"
ITERATIONS = 4096  # RFC 7677 §4: at least; for random app passwords no more is needed
MAX_ITERATIONS = 600_000
MAX_LENGTH = 2048  # characters of one of the client's messages
SALT_SIZE = 16
NONCE_SIZE = 18  # octets, 24 characters

_NAME = r"(?:[^\x00,=]|=2C|=3D)*"  # saslname: comma and equals sign are written as =2C and =3D
_PRINTABLE = r"[\x21-\x2b\x2d-\x7e]"  # no comma
_BASE64 = r"[A-Za-z0-9+/]*={0,2}"
_FIRST = re.compile(
    rf"(?P<gs2>(?P<flag>n|y|p=[A-Za-z0-9.\-]{{1,64}}),(?:a=(?P<authzid>{_NAME}))?,)"
    rf"(?P<bare>n=(?P<name>{_NAME}),r=(?P<nonce>{_PRINTABLE}{{8,256}}))\Z"
)
_FINAL = re.compile(rf"(?P<bare>c=(?P<binding>{_BASE64}),r=(?P<nonce>{_PRINTABLE}{{8,512}})),p=(?P<proof>{_BASE64})\Z")


@dataclass(frozen=True, slots=True)
class Verifier:
    """What the server keeps of a password (RFC 5802 §3); whoever steals it can guess passwords, not log in.

    Attributes:
        stored_key, server_key: 32 octets each.
    """

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


def derive(password: str, salt: bytes, iterations: int = ITERATIONS) -> Verifier:
    """Make the verifier of a password. Takes milliseconds: outside the event loop, please.

    Raises:
        ValueError: the password holds what SASLprep prohibits, or the iterations are out of bounds.
    """
    if not ITERATIONS <= iterations <= MAX_ITERATIONS or not salt:
        raise ValueError(f"a verifier has a salt and {ITERATIONS} to {MAX_ITERATIONS} iterations")
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode("utf-8"), salt, iterations)
    client_key = _hmac(salted, b"Client Key")
    return Verifier(salt, iterations, hashlib.sha256(client_key).digest(), _hmac(salted, b"Server Key"))


def decoy(name: str, key: bytes, iterations: int = ITERATIONS) -> Verifier:
    """A verifier that no password fits, always the same for a name: strangers cannot tell who has an account.

    Args:
        key: a secret of this node, the same as long as accounts are to look unchanged.
    """
    salt, stored, server = (_hmac(key, part + name.encode("utf-8", "replace")) for part in (b"salt ", b"key ", b"own "))
    return Verifier(salt[:SALT_SIZE], iterations, stored, server)


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """The client's first message, read.

    Attributes:
        name: who wants to log in, SASLprep applied.
        authzid: who the client wants to act as; "" for the same.
        binding: the channel binding it uses, "" for none.
    """

    name: str
    authzid: str
    binding: str
    gs2_header: str
    bare: str
    nonce: str


def read_first(text: str, mechanism: str, bindings: Collection[str] = ()) -> ClientFirst | Refusal:
    """Read the client's first message.

    Args:
        mechanism: the one the client chose.
        bindings: what a client can bind to on this connection: "tls-exporter" (RFC 9266), "tls-unique" (RFC 5929 §3).
            Where there is any, PLUS was offered.
    """
    match = _FIRST.match(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        return Refusal(Reason.MALFORMED, "the first message is not SCRAM's, or holds an extension we do not know")
    flag = match["flag"]
    if flag == "y" and bindings:
        # The client could bind and believes that we cannot: somebody took -PLUS out of our list (RFC 5802 §6).
        return Refusal(Reason.MALFORMED, "channel binding was hidden from the client: somebody is in the middle")
    if (mechanism == PLUS) != flag.startswith("p="):
        return Refusal(Reason.MALFORMED, "channel binding belongs to -PLUS, and to nothing else")
    binding = flag.removeprefix("p=") if mechanism == PLUS else ""
    if binding and binding not in bindings:
        return Refusal(Reason.MALFORMED, "the client binds to something that this connection does not have")
    try:
        name, authzid = saslprep(_unescape(match["name"])), saslprep(_unescape(match["authzid"] or ""))
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the name cannot be used: {error}")
    if not name:
        return Refusal(Reason.MALFORMED, "the name is empty")
    return ClientFirst(name, authzid, binding, match["gs2"], match["bare"], match["nonce"])


class Exchange:
    """One login, from the second message on.

    An account may have several passwords, and a password several spellings, when their verifiers share salt and
    iterations: the client is told both before it proves anything.

    Args:
        first: the client's first message.
        verifiers: of the account, or a `decoy`; at least one. All are tried, in the same time whichever fits.
        nonce: the server's part; random unless a test gives it.

    Attributes:
        opened: place of the verifier that the client's proof opened; None until then.

    Raises:
        ValueError: the verifiers differ in salt or iterations.
    """

    def __init__(self, first: ClientFirst, verifiers: Sequence[Verifier], nonce: str | None = None) -> None:
        self._first = first
        self._verifiers = verifiers
        self.opened: int | None = None
        verifier = verifiers[0]
        if any((v.salt, v.iterations) != (verifier.salt, verifier.iterations) for v in verifiers):
            raise ValueError("verifiers of one exchange share salt and iterations")
        own = base64.b64encode(secrets.token_bytes(NONCE_SIZE)).decode("ascii") if nonce is None else nonce
        self._nonce = first.nonce + own
        salt = base64.b64encode(verifier.salt).decode("ascii")
        self.server_first = f"r={self._nonce},s={salt},i={verifier.iterations}"

    def finish(self, text: str, binding_data: bytes = b"") -> str | Refusal:
        """Judge the client's final message and answer with the server's.

        1. The message has SCRAM's form. 2. It goes on with this very exchange. 3. It names the channel that we see.
        4. Its proof opens the stored key.

        Args:
            binding_data: of the channel that the client bound to; for "tls-exporter" 32 octets of keying material
                under the label EXPORTER-Channel-Binding (RFC 9266 §2). Empty only where there is no binding.
        """
        match = _FINAL.match(text) if len(text) <= MAX_LENGTH else None  # 1
        if match is None:
            return Refusal(Reason.MALFORMED, "the final message is not SCRAM's")
        if not hmac.compare_digest(match["nonce"].encode("ascii"), self._nonce.encode("ascii")):  # 2
            return Refusal(Reason.WRONG_NONCE, "the final message belongs to another exchange")
        if bool(self._first.binding) != bool(binding_data):
            return Refusal(Reason.BAD_SIGNATURE, "the channel cannot be bound to")
        channel = self._first.gs2_header.encode("utf-8") + binding_data
        if not hmac.compare_digest(_decode(match["binding"]) or b"", channel):  # 3
            return Refusal(Reason.BAD_SIGNATURE, "the client speaks over another channel: somebody is in the middle")
        message = ",".join((self._first.bare, self.server_first, match["bare"])).encode("utf-8")
        proof, self.opened = _decode(match["proof"]), None
        for place, verifier in enumerate(self._verifiers):  # 4
            if _opens(verifier, proof, message):
                self.opened = place
        if self.opened is None:
            return Refusal(Reason.BAD_SIGNATURE, "the proof does not fit the password")
        signature = _hmac(self._verifiers[self.opened].server_key, message)
        return "v=" + base64.b64encode(signature).decode("ascii")


def _opens(verifier: Verifier, proof: bytes | None, message: bytes) -> bool:
    signature = _hmac(verifier.stored_key, message)
    if proof is None or len(proof) != len(signature):
        return False
    client_key = (int.from_bytes(proof, "big") ^ int.from_bytes(signature, "big")).to_bytes(len(proof), "big")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key)


def saslprep(text: str) -> str:
    """Make names and passwords comparable however they were typed (RFC 4013).

    Raises:
        ValueError: it holds what is prohibited, or mixes directions of writing.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(letter) else letter for letter in text if not stringprep.in_table_b1(letter)
    )
    made = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if any(_is_prohibited(letter) for letter in made):
        raise ValueError("it holds a character that names and passwords must not have")
    if any(stringprep.in_table_d1(letter) for letter in made):  # right to left, RFC 3454 §6
        whole = not any(stringprep.in_table_d2(letter) for letter in made)
        if not whole or not (stringprep.in_table_d1(made[0]) and stringprep.in_table_d1(made[-1])):
            raise ValueError("it mixes directions of writing")
    return made


_PROHIBITED = (
    stringprep.in_table_a1,  # unassigned: not to be stored, and a query for it finds nothing
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def _is_prohibited(letter: str) -> bool:
    return any(table(letter) for table in _PROHIBITED)


def _unescape(name: str) -> str:
    return name.replace("=2C", ",").replace("=3D", "=")


def _decode(text: str) -> bytes | None:
    """Base64 in its one spelling; None for anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return data if base64.b64encode(data).decode("ascii") == text else None


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, hashlib.sha256)
