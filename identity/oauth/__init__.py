"""OAuth 2.1 and OpenID Connect as values: requests read, tokens made and verified, documents written. No I/O."""
