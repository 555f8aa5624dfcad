"""Who lives here: from an address to the account its mail belongs to."""
