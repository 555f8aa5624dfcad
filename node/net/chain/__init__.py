"""Chains as the node sees them: one small interface, an embedded private chain, and any chain behind JSON-RPC."""
