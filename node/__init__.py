"""The mail node: receives, judges, keeps, proves and serves mail. Floors and rules: docs/architecture.md."""
