"""didkit in its process: what it is asked about, what it must not be able to do, and what becomes of one that fails."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio

from identity import did_login
from identity.credentials import linked
from identity.credentials.credential import Credential
from identity.credentials.linked import SUITES, LinkedCredential, LinkedPresentation, Question
from identity.credentials.verify import Verifier
from identity.did.document import Method
from identity.did.resolve import SelfContained
from identity.did_login import Proof
from identity.refusal import Reason, Refusal
from node.net import linked_proofs
from node.net.linked_proofs import AT_ONCE, WAITING, DidkitProofs

pytestmark = pytest.mark.anyio
RECORDED = json.loads((Path(__file__).parents[2] / "identity" / "credentials" / "linked.json").read_text())
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PERSONAL = "EthereumPersonalSignature2021"
needs_didkit = pytest.mark.skipif(
    importlib.util.find_spec("didkit") is None, reason="didkit is not installed: extra [didkit]"
)


def recorded(kind: str = "credential", suite: str = PERSONAL) -> Any:
    return copy.deepcopy(RECORDED[suite][kind])


def question(change: Callable[[Any], object] = lambda body: None, suite: str = PERSONAL) -> Question:
    body = recorded(suite=suite)
    change(body)
    read = linked.read(json.dumps(body))
    assert isinstance(read, LinkedCredential), read
    return read.question


def reason(found: object) -> Reason:
    assert isinstance(found, Refusal), found
    return found.reason


@needs_didkit
@pytest.mark.parametrize("suite", SUITES)
async def test_every_suite_holds_and_a_changed_claim_does_not(suite: str) -> None:
    proofs = DidkitProofs()
    assert await proofs.check(question(suite=suite)) is None
    assert reason(await proofs.check(question(lambda b: b["credentialSubject"].update(level=3), suite))) is (
        Reason.BAD_SIGNATURE
    )
    shown = linked.read_presentation(json.dumps(recorded("presentation", suite)))
    assert isinstance(shown, LinkedPresentation)
    assert await proofs.check(shown.question) is None


@needs_didkit
async def test_a_whole_login_and_a_tampered_credential_inside() -> None:
    proofs = DidkitProofs()
    verifier = Verifier(SelfContained(), proofs=proofs)
    proof = did_login.read(json.dumps(recorded("presentation")))
    assert isinstance(proof, Proof)
    assert isinstance(await did_login.verify(proof, SelfContained(), proofs), Method)
    held = await did_login.verify_credentials(proof, verifier, NOW)
    assert not isinstance(held, Refusal)
    assert [type(each) for each in held] == [Credential]
    body = recorded("presentation")
    body["verifiableCredential"][0]["credentialSubject"]["level"] = 3
    proof = did_login.read(json.dumps(body))
    assert isinstance(proof, Proof)
    assert reason(await did_login.verify(proof, SelfContained(), proofs)) is Reason.BAD_SIGNATURE
    assert reason(await did_login.verify_credentials(proof, verifier, NOW)) is Reason.BAD_SIGNATURE


@needs_didkit
@pytest.mark.parametrize("name", ["challenge", "domain"])
async def test_another_challenge_or_domain_was_not_signed(name: str) -> None:
    body = recorded("presentation")
    body["proof"][name] = "https://other.test"
    shown = linked.read_presentation(json.dumps(body))
    assert isinstance(shown, LinkedPresentation)
    assert reason(await DidkitProofs().check(shown.question)) is Reason.BAD_SIGNATURE


@needs_didkit
async def test_why_names_are_not_believed() -> None:
    """didkit says yes to a type that was added later: were it read, anybody with a credential had every type."""
    body = recorded()
    body["type"].append("Admin")
    asked = Question(json.dumps(body), False, body["proof"]["verificationMethod"])
    assert await DidkitProofs().check(asked) is None
    assert reason(linked.read(json.dumps(body))) is Reason.MALFORMED


@needs_didkit
async def test_the_process_reaches_no_network_and_no_file() -> None:
    """Asked about a did:web past our own checks, it cannot even make a socket."""
    body = recorded()
    body["issuer"], method = "did:web:localhost%3A1", "did:web:localhost%3A1#key"
    body["proof"]["verificationMethod"] = method
    assert reason(await DidkitProofs().check(Question(json.dumps(body), False, method))) is Reason.BAD_SIGNATURE
    code = (
        "import sys; sys.path[:] = sys.argv[1].split(':')\n"
        "import socket\n"
        "from node.net.linked_worker import _shut_in\n"
        "_shut_in()\n"
        "for attempt in (socket.socket, lambda: open('/etc/hostname'), lambda: bytearray(1 << 30)):\n"
        "    try:\n        attempt()\n"
        "    except (OSError, MemoryError):\n        continue\n"
        "    raise SystemExit(1)\n"
    )
    done = await trio.run_process([sys.executable, "-I", "-c", code, os.pathsep.join(sys.path)], check=False)
    assert done.returncode == 0


@needs_didkit
async def test_nodes_that_take_for_ever_end_with_the_process() -> None:
    """Past our own checks: seven labelled nodes, each tied to all others, take didkit ten seconds, nine take hours."""
    body = recorded()
    body["@context"][1]["knows"] = {"@id": "https://waxseal.test/terms#knows", "@type": "@id"}
    names = [f"_:b{number}" for number in range(9)]
    body["credentialSubject"]["knows"] = [
        {"id": name, "knows": [other for other in names if other != name]} for name in names
    ]
    asked = Question(json.dumps(body), False, body["proof"]["verificationMethod"])
    assert reason(await DidkitProofs(seconds=2).check(asked)) is Reason.UNCHECKED
    assert reason(linked.read(json.dumps(body))) is Reason.MALFORMED


@needs_didkit
async def test_what_holds_is_remembered() -> None:
    proofs = DidkitProofs()
    bad = question(lambda b: b["credentialSubject"].update(level=3))
    assert await proofs.check(question()) is None
    assert reason(await proofs.check(bad)) is Reason.BAD_SIGNATURE
    proofs._command = ("/bin/false",)  # nobody is asked again
    assert await proofs.check(question()) is None
    assert reason(await proofs.check(bad)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "command",
    [
        ("/bin/sleep", "600"),
        ("/bin/sh", "-c", "kill -SEGV $$"),
        ("/bin/false",),
        ("/bin/echo", '{"checks": ["proof"], "errors"'),
        ("/bin/echo", '"yes"'),
        ("/bin/sh", "-c", 'echo \'{"checks": ["proof"], "warnings": [], "errors": []}\'; exit 1'),
        ("/nowhere/at/all",),
    ],
)
async def test_a_process_that_hangs_crashes_or_babbles(command: tuple[str, ...]) -> None:
    proofs = DidkitProofs(command, seconds=0.5 if command[0] == "/bin/sleep" else 30)
    assert reason(await proofs.check(question())) is Reason.UNCHECKED
    assert not proofs._known


@pytest.mark.parametrize(
    "answer", [{"checks": [], "errors": []}, {"checks": ["proof"], "warnings": ["x"], "errors": []}]
)
async def test_only_one_answer_is_yes(answer: dict[str, Any]) -> None:
    proofs = DidkitProofs(("/bin/echo", json.dumps(answer)))
    assert reason(await proofs.check(question())) is Reason.BAD_SIGNATURE


async def test_few_at_once_and_the_others_wait_or_go() -> None:
    proofs = DidkitProofs(("/bin/sleep", "600"), seconds=1)
    refusals: list[Refusal | None] = []

    async def one(number: int) -> None:
        refusals.append(await proofs.check(Question("{}", False, f"did:key:{number}")))

    async with trio.open_nursery() as nursery:
        for number in range(AT_ONCE + WAITING + 3):
            nursery.start_soon(one, number)
    assert [reason(each) for each in refusals] == [Reason.UNCHECKED] * (AT_ONCE + WAITING + 3)
    assert sum(each == linked_proofs._BUSY for each in refusals) == 3


async def test_without_the_extra_it_says_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    refusal = await DidkitProofs().check(question())
    assert reason(refusal) is Reason.UNKNOWN_SUITE
    assert isinstance(refusal, Refusal)
    assert "waxseal[didkit]" in refusal.words
