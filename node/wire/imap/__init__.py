"""IMAP4rev1 (RFC 3501) as a sans-I/O engine: `connection.ServerConnection` turns bytes into typed commands."""
