"""IMAP sessions: the engine's commands become store calls, their results become responses. A file for a command."""
