"""Wallets, DIDs and credentials. Plain values in, plain values out; knows nothing of the node."""
