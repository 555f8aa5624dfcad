"""The command line: `waxseal`. Each command has a file of its own, imported only when it is called."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script: run the command; show expected errors as one clear text, not a traceback."""
    from node.base.errors import WaxsealError  # noqa: PLC0415
    from node.cli.app import run  # noqa: PLC0415

    try:
        run()
    except WaxsealError as error:
        print(f"waxseal: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:  # `waxseal ... | head`
        raise SystemExit(0) from None
