"""Alembic revisions of the store, oldest first. A released revision is never edited."""

HEAD = "0025"
"""The revision this program needs; a test compares it with the newest file in `versions`."""
