"""What the C library does with memory that was freed: large pieces go back to the system at once."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3  # mallopt(3)
LARGE = 128 << 10  # octets: glibc's own first choice, which it raises to 32 MiB as a program frees larger pieces


def give_back_large() -> bool:
    """Keep glibc from raising its threshold; False where there is another C library, which has no such habit.

    Leaves of attachments (256 KiB and more) pass through a score of threads, each with a heap of its own. With the
    raised threshold those heaps keep 100 to 200 MiB for ever; without it some 20 MiB are in use, and none are kept.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_THRESHOLD, LARGE))
