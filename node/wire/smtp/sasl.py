"""The server's side of AUTH (RFC 4954): PLAIN (RFC 4616) and LOGIN, which every mail client speaks, are read here;
of other mechanisms, the responses are handed on.

All are offered under TLS only: PLAIN and LOGIN do not hide the password.
"""

from __future__ import annotations

import base64
import binascii

from node.base.reply import Reply
from node.wire.smtp import replies
from node.wire.smtp.events import Challenge, Credentials, Refused, SaslResponse

MECHANISMS = ("PLAIN", "LOGIN")

_USERNAME = Reply(334, "", base64.b64encode(b"Username:").decode())
_PASSWORD = Reply(334, "", base64.b64encode(b"Password:").decode())
_EMPTY = Reply(334, "", "")


def begin(mechanism: str) -> Exchange | Relay:
    """One AUTH with this mechanism."""
    return Exchange(mechanism) if mechanism in MECHANISMS else Relay(mechanism)


class Relay:
    """One AUTH under way by a mechanism that is not read here: decodes its responses."""

    __slots__ = ("_first", "_mechanism")

    def __init__(self, mechanism: str) -> None:
        self._mechanism = mechanism
        self._first = True

    def begin(self, initial: str | None) -> Challenge | SaslResponse | Refused:
        """Start; a client without an initial response is asked for it with an empty challenge."""
        return Challenge(_EMPTY) if initial is None else self.answer("" if initial == "=" else initial)

    def answer(self, line: str) -> SaslResponse | Refused:
        """Take one base64 line of the client; "*" cancels."""
        if line == "*":
            return Refused(replies.AUTH_CANCELLED)
        try:
            data = base64.b64decode(line, validate=True)
        except (binascii.Error, ValueError):
            return Refused(replies.AUTH_BAD_RESPONSE)
        first, self._first = self._first, False
        return SaslResponse(self._mechanism, data, first)


class Exchange:
    """One AUTH under way: gives challenges until it has credentials or a refusal."""

    __slots__ = ("_mechanism", "_username")

    def __init__(self, mechanism: str) -> None:
        self._mechanism = mechanism
        self._username: str | None = None

    def begin(self, initial: str | None) -> Challenge | Credentials | Refused:
        """Start; `initial` is the response sent along with AUTH, where "=" is an empty one (RFC 4954 §4)."""
        if initial is None:
            return Challenge(_EMPTY if self._mechanism == "PLAIN" else _USERNAME)
        return self.answer("" if initial == "=" else initial)

    def answer(self, line: str) -> Challenge | Credentials | Refused:
        """Take one base64 line of the client; "*" cancels."""
        if line == "*":
            return Refused(replies.AUTH_CANCELLED)
        try:
            text = base64.b64decode(line, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return Refused(replies.AUTH_BAD_RESPONSE)
        return self._plain(text) if self._mechanism == "PLAIN" else self._login(text)

    def _plain(self, text: str) -> Credentials | Refused:
        parts = text.split("\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            return Refused(replies.AUTH_BAD_RESPONSE)
        acting_for, username, password = parts
        return Credentials("PLAIN", username, password, acting_for)

    def _login(self, text: str) -> Challenge | Credentials | Refused:
        if not text or "\0" in text:
            return Refused(replies.AUTH_BAD_RESPONSE)
        if self._username is None:
            self._username = text
            return Challenge(_PASSWORD)
        return Credentials("LOGIN", self._username, text)


def challenge(data: bytes) -> Reply:
    """The reply that carries a mechanism's challenge (RFC 4954 §4)."""
    return Reply(334, "", base64.b64encode(data).decode("ascii"))
