"""Who are you? One door for every protocol, and the wallet login that opens a browser session."""
