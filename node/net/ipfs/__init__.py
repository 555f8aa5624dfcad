"""Clients of what keeps blocks elsewhere: Kubo's RPC, pinning services, gateways. They know names as text alone."""
