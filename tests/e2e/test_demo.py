"""`waxseal demo` is the product in one command: it must end well, and its table must be true."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_demo_ends_well() -> None:
    command = [sys.executable, "-m", "node", "demo", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    stories = {row["name"]: row for row in json.loads(run.stdout.strip().splitlines()[-1])}
    assert list(stories) == ["normal", "spam", "phishing", "large attachment"]
    places = [row["log_index"] for row in stories.values()]
    assert places == sorted(set(places)), "one after the other, with events of the audit trail between them"
    for row in stories.values():
        assert row["same_bytes"]
        assert row["transaction"].startswith("0x")
        assert row["steps"] == dict.fromkeys(("message", "leaf", "inclusion", "checkpoint", "chain"), True)
        assert row["changed"]["message"] is False
    assert stories["large attachment"]["cids"][0].startswith("bafy")
    assert stories["normal"]["mailbox"] == "INBOX"
    assert stories["spam"]["mailbox"] == stories["phishing"]["mailbox"] == "Junk"
