"""Sans-I/O protocol engines: bytes in, events out. No sockets, no clocks, no storage, no log."""
