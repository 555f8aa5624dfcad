"""Who sent this message? SPF, DKIM, ARC, DMARC and the rest as algorithms; the resolver is handed in."""
