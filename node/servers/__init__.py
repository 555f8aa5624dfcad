"""The sessions: one file or folder a protocol. Engine events in, flow calls, engine replies out. No SQL, no policy."""
