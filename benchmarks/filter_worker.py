"""Waxseal's classifier as a process of its own, so that its CPU time and memory can be read like a daemon's.

    python benchmarks/filter_worker.py [MODEL]

Standard input: messages, each behind its length in 4 octets (big-endian). Standard output: a probability of spam a
line; the first line, before any message, is the threshold.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from ai.classifier import Classifier


def main() -> None:
    """Judge until the input ends."""
    classifier = Classifier.load(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    print(classifier.manifest.junk, flush=True)
    while length := sys.stdin.buffer.read(4):
        message = sys.stdin.buffer.read(int.from_bytes(length))
        print(repr(classifier.score(message).probability), flush=True)


if __name__ == "__main__":
    main()
