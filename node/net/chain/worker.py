"""The embedded chain's own process: questions in, answers out, a line of JSON each, over its standard streams.

The first line names the file and the key; the process ends when its input does, so it never outlives the node.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from node.base.errors import Permanent, Temporary
from node.net.chain.evm import Evm
from node.net.chain.interface import NoState, Reverted

ERRORS = {kind.__name__: kind for kind in (Temporary, Permanent, NoState, Reverted)}


def main() -> None:
    """Serve until the input ends."""
    opening = json.loads(sys.stdin.readline())
    key = bytes.fromhex(opening["key"]) if opening["key"] else None
    evm: Evm | None = None
    for line in sys.stdin:
        try:
            evm = evm or Evm(Path(opening["path"]), key)
            answer = {"result": ask(evm, **json.loads(line))}
        except tuple(ERRORS.values()) as error:
            data = error.data if isinstance(error, Reverted) else b""
            answer = {"error": type(error).__name__, "words": str(error), "data": data}
        sys.stdout.write(json.dumps(answer, default=bytes.hex) + "\n")
        sys.stdout.flush()
    if evm:
        evm.close()


def ask(evm: Evm, method: str, to: str = "", data: str = "", block: int | None = None) -> Any:
    """One question; bytes in the answer become hexadecimal."""
    match method:
        case "head":
            return asdict(evm.head())
        case "block":
            return asdict(evm.block(block or 0))
        case "result":
            found = evm.result(bytes.fromhex(data))
            return None if found is None else asdict(found)
        case "call":
            return evm.call(to, bytes.fromhex(data), block)
        case "code":
            return evm.code(to)
        case "events":
            return [asdict(event) for event in evm.events(to, block or 0)]
        case "send":
            return asdict(evm.send(to or None, bytes.fromhex(data)))
        case _:
            raise Permanent(f"the embedded chain has no {method}")
