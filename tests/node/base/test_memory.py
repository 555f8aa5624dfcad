"""Large pieces of memory that were freed are not kept."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import sys, threading
from pathlib import Path
from node.base.memory import LARGE, give_back_large

def resident():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) << 10

if sys.argv[1] == "on":
    assert give_back_large()
size, kept = 2 * LARGE, []
bytes(16 * size)  # freed: by itself glibc takes pieces up to this size from the heap from now on
before = resident()
pieces = [b"x" * size for _ in range(400)]
kept = [b"y" * 500 for _ in range(400)]
del pieces[:-1]  # the last one stands above the free ones, as what other threads need does
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such threshold")
def test_freed_leaves_go_back_to_the_system() -> None:
    def left(mode: str) -> int:
        out = subprocess.run([sys.executable, "-c", _PROGRAM, mode], capture_output=True, check=True, text=True)
        return int(out.stdout)

    assert left("on") < 5 << 20 < left("off")
