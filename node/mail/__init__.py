"""Mail formats, pure: a lazy MIME view over bytes, header fields, and the answers IMAP prepares from them."""
