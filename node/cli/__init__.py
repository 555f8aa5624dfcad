"""The command line: `waxseal`. Each command has a file of its own, imported only when it is called."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script: run the command; show expected errors as one clear text, not a traceback."""
    from node.base.log import configure  # noqa: PLC0415
    from node.cli.app import run  # noqa: PLC0415

    configure("warning", json=False)  # `serve` and `dev` set it anew; standard output is for results alone
    try:
        run()
    except BrokenPipeError:  # `waxseal ... | head`
        raise SystemExit(0) from None
    except Exception as error:
        words = explained(error)
        if words is None:
            raise
        print(f"waxseal: {words}", file=sys.stderr)
        raise SystemExit(1) from None


def explained(error: BaseException) -> str | None:
    """What to tell of an error that people can do something about, also out of a nursery; None for a bug of ours."""
    from node.base.errors import WaxsealError  # noqa: PLC0415

    if isinstance(error, BaseExceptionGroup):
        words = [explained(each) for each in error.exceptions]
        return None if None in words else "\n".join(each for each in words if each)
    if isinstance(error, WaxsealError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot use {error.filename}: {error.strerror}"
    return None
