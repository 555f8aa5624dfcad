"""The node's web pages: wallet login, app passwords, receipts, the log's checkpoint, health and metrics."""
