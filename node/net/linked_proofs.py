"""Signatures over linked data, checked by didkit (extra `didkit`) in a process of its own that can do nothing else.

Why a process: didkit 0.3.3 is archived, needs asyncio, may crash at its exit, fetches what documents name, and takes
minutes over a few nodes without names. The process checks one signature. It can open no file and no socket, has seconds
and megabytes, and is killed when they are over. All that didkit overlooks (times, challenge, domain, purpose, who
signed, names that are not signed) is judged before, in `identity.credentials.linked`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections import OrderedDict

import trio

from identity.credentials.linked import Question
from identity.refusal import Reason, Refusal
from node.base import metrics
from node.base.log import get_log

log = get_log(__name__)

SECONDS = 15.0  # for everything, starting the process included
AT_ONCE = 2
WAITING = 16  # more are told to come again
REMEMBERED = 1024
MAX_ANSWER = 16 << 10  # octets

# Isolated (-I): neither the current directory nor the environment decide which code runs.
_WORKER = "import os, sys; sys.path[:] = sys.argv[1].split(os.pathsep); from node.net.linked_worker import main; main()"
_ENVIRONMENT = {"TOKIO_WORKER_THREADS": "1", "MALLOC_ARENA_MAX": "1", "LC_ALL": "C.UTF-8"}

_ABSENT = Refusal(
    Reason.UNKNOWN_SUITE,
    "credentials with an embedded proof are not verified here: show a signed token (JWT), or ask whoever runs this node"
    " to install the extra, pip install 'waxseal[didkit]'",
)
_BAD = Refusal(Reason.BAD_SIGNATURE, "the embedded proof does not hold")
_BUSY = Refusal(Reason.UNCHECKED, "too many embedded proofs are being checked; try again in a minute")
_FAILED = Refusal(Reason.UNCHECKED, "the embedded proof could not be checked; try again, or show a signed token (JWT)")


class DidkitProofs:
    """Checks embedded proofs (`identity.credentials.linked.Proofs`).

    Args:
        command: starts the process; for tests of what becomes of one that hangs or crashes.
        seconds: for each check, waiting included.
    """

    def __init__(self, command: tuple[str, ...] | None = None, seconds: float = SECONDS) -> None:
        self._command = command or (sys.executable, "-I", "-c", _WORKER, os.pathsep.join(sys.path))
        self._installed = command is not None or importlib.util.find_spec("didkit") is not None
        self._seconds = seconds
        self._turns = trio.Semaphore(AT_ONCE)
        self._asking = 0
        self._known: OrderedDict[bytes, bool] = OrderedDict()

    async def check(self, question: Question) -> Refusal | None:
        """None when the signature holds.

        1. The extra is installed. 2. A credential that was checked before is remembered: its key is in its DID, so
        that the answer never changes. 3. Few at once, few waiting. 4. The process says yes or no, or is killed.
        """
        if not self._installed:  # 1
            return _ABSENT
        name = _digest(question)
        if name in self._known:  # 2
            self._known.move_to_end(name)
            return None if self._known[name] else _BAD
        if self._asking >= AT_ONCE + WAITING:  # 3
            return _count(_BUSY)
        self._asking += 1
        try:
            with trio.move_on_after(self._seconds):
                async with self._turns:
                    holds = await self._ask(question)  # 4
                if holds is not None:
                    return _count(self._remember(name, holds, question))
            return _count(_FAILED)
        finally:
            self._asking -= 1

    def _remember(self, name: bytes, holds: bool, question: Question) -> Refusal | None:
        if not question.shown:  # a presentation is good once
            self._known[name] = holds
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return None if holds else _BAD

    async def _ask(self, question: Question) -> bool | None:
        """Yes, no, or None for a process that failed."""
        try:
            # run_process kills the process when it is cancelled, and waits for its end.
            done = await trio.run_process(
                self._command,
                stdin=json.dumps(_asked(question)).encode(),
                capture_stdout=True,
                check=False,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,
                deliver_cancel=_kill,
            )
        except OSError as error:
            log.warning("linked_proofs.failed", reason=type(error).__name__)
            return None
        if done.returncode != 0 or len(done.stdout) > MAX_ANSWER:
            log.warning("linked_proofs.failed", status=done.returncode)
            return None
        return _says_yes(done.stdout)


async def _kill(process: trio.Process) -> None:
    process.kill()


def _digest(question: Question) -> bytes:
    return hashlib.sha256(json.dumps(_asked(question)).encode()).digest()


def _asked(question: Question) -> dict[str, object]:
    purpose = "authentication" if question.shown else "assertionMethod"
    options = {"proofPurpose": purpose, "verificationMethod": question.method}
    if question.shown:
        options |= {"challenge": question.challenge, "domain": question.domain}
    return {"shown": question.shown, "document": question.document, "options": options}


def _says_yes(answer: bytes) -> bool | None:
    """Yes is this one answer alone: a check of the proof was made, and nothing was wrong with it."""
    try:
        value = json.loads(answer)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    return value.get("checks") == ["proof"] and value.get("errors") == [] and value.get("warnings") == []


def _count(refusal: Refusal | None) -> Refusal | None:
    metrics.linked_proofs.labels("ok" if refusal is None else refusal.reason.value).inc()
    return refusal
