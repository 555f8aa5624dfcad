"""The outside world: streams, TLS, dialling, clients of other servers, RPC to a chain. No policy."""
