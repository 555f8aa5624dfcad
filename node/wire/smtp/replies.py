"""The refusals that the protocol itself decides: code, enhanced code (RFC 3463, RFC 5248), words."""

from __future__ import annotations

from node.base.reply import Reply

UNKNOWN = Reply(500, "5.5.1", "Command unknown")
NOT_TEXT = Reply(500, "5.5.2", "Commands are text: printable characters in UTF-8")
LINE_TOO_LONG = Reply(500, "5.5.2", "Command line too long")
NOT_IMPLEMENTED = Reply(502, "5.5.1", "Command not implemented")
BAD_ARGUMENTS = Reply(501, "5.5.4", "Bad arguments")
NO_ARGUMENTS = Reply(501, "5.5.4", "This command takes no arguments")
HELLO_NEEDS_NAME = Reply(501, "5.5.4", "Say EHLO with your host name")
HELLO_FIRST = Reply(503, "5.5.1", "Say EHLO first")
BAD_SEQUENCE = Reply(503, "5.5.1", "Not now: bad sequence of commands")
MAIL_FIRST = Reply(503, "5.5.1", "MAIL first")
NESTED_MAIL = Reply(503, "5.5.1", "A transaction is open already; RSET ends it")
NO_RECIPIENTS = Reply(554, "5.5.1", "No valid recipients")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "Parameter not recognized or not allowed here")
BAD_PARAMETER = Reply(501, "5.5.4", "Parameter has a bad value")
TOO_BIG = Reply(552, "5.3.4", "Message is larger than this server takes")
NEEDS_SMTPUTF8 = Reply(553, "5.6.7", "An address outside ASCII needs the SMTPUTF8 parameter")

TLS_ACTIVE = Reply(503, "5.5.1", "TLS is active already")
TLS_UNAVAILABLE = Reply(454, "4.7.0", "TLS is not available")
TLS_FIRST = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
AUTH_FIRST = Reply(530, "5.7.0", "Authentication required")
AUTH_NEEDS_TLS = Reply(538, "5.7.11", "Encryption required for authentication: STARTTLS first")
AUTH_DONE = Reply(503, "5.5.1", "Authenticated already")
AUTH_CANCELLED = Reply(501, "5.7.0", "Authentication cancelled")
AUTH_MECHANISM = Reply(504, "5.5.4", "Authentication mechanism not supported")
AUTH_BAD_RESPONSE = Reply(501, "5.5.2", "Response is not valid for this mechanism")

BARE_IN_CONTENT = Reply(554, "5.5.2", "Message has a bare CR or LF; lines end with CR LF (RFC 5321 2.3.8)")
TEXT_LINE_TOO_LONG = Reply(554, "5.6.0", "Message has a line longer than this server takes")

FATAL_BARE = Reply(500, "5.5.2", "Lines end with CR LF; a bare CR or LF was received. Closing")
FATAL_LINE = Reply(500, "5.5.2", "Line without an end. Closing")
FATAL_BEHIND_TLS = Reply(554, "5.5.1", "Nothing may follow STARTTLS before the handshake. Closing")
FATAL_FOREIGN = Reply(521, "5.5.1", "This is SMTP, not the protocol you speak. Closing")
FATAL_ENDLESS = Reply(552, "5.3.4", "Message does not end. Closing")
FATAL_CHUNK = Reply(501, "5.5.4", "BDAT needs a size; what follows cannot be told from commands. Closing")
