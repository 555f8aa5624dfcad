"""Token gates before mailboxes: who holds what, asked of chains, and kept an eye on while sessions are open."""
