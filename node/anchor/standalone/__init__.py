"""A verifier in one file, for people who do not have Waxseal: it needs Python alone, and imports nothing of ours."""
