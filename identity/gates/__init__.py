"""Token gates: rules, what a chain is asked for them, and what its answers mean. No I/O."""
