"""`python -m node` is `waxseal`."""

from node.cli import main

main()
