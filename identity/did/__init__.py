"""Decentralised identifiers: reading them, the keys in them, and the documents they stand for (W3C DID Core 1.0)."""
