"""Mail to the outside: the spool's runner, the way to the next server, and what a sender is told when it fails."""
