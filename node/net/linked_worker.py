"""The process in which didkit checks one signature: JSON in, JSON out, and nothing else can be done.

It runs with nothing of the node's in it; `linked_proofs` starts it, and kills it.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

MAX_QUESTION = 256 << 10  # octets
CPU_SECONDS = 5
MORE_MEMORY = 256 << 20  # octets of address space beside what the process has when it begins
_NOBODY = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"


def main() -> None:
    """Answer, and end at once: didkit may crash where a process ends properly."""
    didkit = importlib.import_module("didkit")
    # asyncio stays out of the node; this process is not the node.
    asyncio = importlib.import_module("asyncio")
    asyncio.run(_answer(didkit))
    os._exit(0)


async def _answer(didkit: Any) -> None:
    await didkit.resolve_did(_NOBODY, "{}")  # its threads start at the first call, and need what is taken away next
    _shut_in()
    question = json.loads(sys.stdin.buffer.read(MAX_QUESTION))
    verify = didkit.verify_presentation if question["shown"] else didkit.verify_credential
    try:
        answer = await verify(question["document"], json.dumps(question["options"]))
    except ValueError as error:  # it is none that didkit can read
        answer = json.dumps({"checks": [], "warnings": [], "errors": [str(error)[:200]]})
    sys.stdout.write(answer + "\n")
    sys.stdout.flush()


def _shut_in() -> None:
    """From here on: no new file or socket, nothing written to a file, so much time and memory."""
    size = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    for limit, value in (
        (resource.RLIMIT_AS, size + MORE_MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),  # last: a descriptor is needed to read the size
    ):
        resource.setrlimit(limit, (value, value))
