"""Large attachments, content-addressed: CIDs, UnixFS trees, block store, sealing, and cutting them out of messages."""
