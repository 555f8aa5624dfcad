"""Whole nodes that witness each other's logs, and strangers who speak the witness protocol to them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio
from nacl.signing import SigningKey, VerifyKey

from node.anchor import checkpoint, proof
from node.anchor import receipt as receipts
from node.anchor.cosignature import CosignatureKey, cosignatures
from node.anchor.note import NoteKey
from node.base.config import Settings
from tests.node.service.site import OPENER, Plan, Site

pytestmark = pytest.mark.anyio

OpenNode = Callable[[Settings], AbstractAsyncContextManager[Any]]


BEGINNING = 4  # entries of a new node's log before any mail: its policy, its three keys


def size_of(key: NoteKey, signed: str) -> int:
    return checkpoint.verify(signed, key).size


async def test_two_nodes_witness_each_other(open_node: OpenNode, plan: Plan, tmp_path: Path, note: bytes) -> None:
    one, other = Site(tmp_path, "one"), Site(tmp_path, "other")

    def settings(site: Site, beside: Site) -> Settings:
        ask = [{"url": beside.url, "key": str(beside.witness_key)}]
        return site.settings(plan, ask=ask, quorum=1, wait_seconds=60, logs=[str(beside.log_key)])

    async with open_node(settings(one, other)) as first, open_node(settings(other, one)) as second:
        for round_ in (1, 2):  # the second time with a consistency proof
            for house, site, beside in ((first, one, other), (second, other, one)):
                await house.deliver(note + b"\r\n" * round_)

                def witnessed(text: str, site: Site = site, beside: Site = beside, least: int = round_) -> bool:
                    return size_of(site.log_key, text) >= BEGINNING + least and bool(
                        cosignatures(text, [beside.witness_key])
                    )

                await site.published(witnessed)
        (kept, *_) = await first.inbox()
        rooms = first.running.rooms
        receipt = await rooms.database.read(lambda tx: receipts.make(tx, hashlib.sha256(kept).digest(), rooms.keys))
        assert cosignatures(proof.parse(receipt.proof).signed, [other.witness_key]), (
            "receipts carry what witnesses said"
        )
        seen = json.loads(await trio.to_thread.run_sync(other.read, f"/log/seen?origin={one.log_key.name}"))
        assert {size_of(one.log_key, text) for text in seen["checkpoints"]} >= {BEGINNING + 2}
        assert seen["forks"] == []


async def test_a_witness_that_is_down_stops_nothing(
    open_node: OpenNode, plan: Plan, tmp_path: Path, note: bytes
) -> None:
    site, away = Site(tmp_path, "one"), Site(tmp_path, "away")
    ask = [{"url": away.url, "key": str(away.witness_key)}]
    async with open_node(site.settings(plan, ask=ask, quorum=1, wait_seconds=1)) as house:
        await house.deliver(note)
        text = await site.published(lambda text: size_of(site.log_key, text) > BEGINNING)
        assert cosignatures(text, [away.witness_key]) == ()
        assert await house.inbox()


# --- a log written from the specifications alone ----------------------------------------------------------------------


def digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(entries: list[bytes]) -> bytes:
    """RFC 6962 §2.1, as it is written there."""
    if len(entries) < 2:
        return digest(b"\0", entries[0]) if entries else digest()
    k = 1 << ((len(entries) - 1).bit_length() - 1)
    return digest(b"\1", root_of(entries[:k]), root_of(entries[k:]))


def proof_of(m: int, entries: list[bytes], whole: bool = True) -> list[bytes]:
    """RFC 6962 §2.1.2, SUBPROOF."""
    n = len(entries)
    if m == n:
        return [] if whole else [root_of(entries)]
    k = 1 << ((n - 1).bit_length() - 1)
    if m <= k:
        return [*proof_of(m, entries[:k], whole), root_of(entries[k:])]
    return [*proof_of(m - k, entries[k:], whole=False), root_of(entries[:k])]


class TinyLog:
    """Origin, key and requests as C2SP signed-note, tlog-checkpoint and tlog-witness say, with nothing of ours."""

    origin = "tiny.test/2026"
    key = SigningKey(b"\x05" * 32)

    @property
    def vkey(self) -> str:
        public = b"\x01" + bytes(self.key.verify_key)
        return f"{self.origin}+{self.key_id(b'').hex()}+{base64.b64encode(public).decode()}"

    def key_id(self, _: bytes) -> bytes:
        return digest(self.origin.encode(), b"\n\x01", bytes(self.key.verify_key))[:4]

    def body(self, entries: list[bytes]) -> str:
        return f"{self.origin}\n{len(entries)}\n{base64.b64encode(root_of(entries)).decode()}\n"

    def request(self, old: int, entries: list[bytes]) -> bytes:
        proof = proof_of(old, entries) if 0 < old <= len(entries) else []
        lines = "".join(base64.b64encode(value).decode() + "\n" for value in proof)
        signature = self.key.sign(self.body(entries).encode()).signature
        line = base64.b64encode(self.key_id(b"") + signature).decode()
        return f"old {old}\n{lines}\n{self.body(entries)}\n\u2014 {self.origin} {line}\n".encode()


def post(url: str, body: bytes) -> tuple[int, str, str]:
    request = urllib.request.Request(url, body, {"Content-Type": "text/plain"})
    try:
        with OPENER.open(request, timeout=30) as response:
            return response.status, response.headers["Content-Type"], response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def check_line(vkey: CosignatureKey, body: str, answer: str) -> int:
    """The time of a cosignature, verified by C2SP tlog-cosignature's own words."""
    dash, name, data = answer.rstrip("\n").split(" ")
    raw = base64.b64decode(data)
    public = vkey.public
    assert (dash, name) == ("\u2014", vkey.name)
    assert raw[:4] == digest(name.encode(), b"\n\x04", public)[:4]
    seconds = int.from_bytes(raw[4:12], "big")
    VerifyKey(public).verify(f"cosignature/v1\ntime {seconds}\n{body}".encode(), raw[12:])
    return seconds


async def test_a_stranger_s_log_is_witnessed(open_node: OpenNode, plan: Plan, tmp_path: Path) -> None:
    site, log = Site(tmp_path, "witness"), TinyLog()
    entries = [f"entry {n}".encode() for n in range(20)]
    forked = [*entries[:5], *(f"false {n}".encode() for n in range(15))]
    url = f"{site.url}/add-checkpoint"
    async with open_node(site.settings(plan, logs=[log.vkey])) as house:

        async def ask(old: int, told: list[bytes]) -> tuple[int, str, str]:
            return tuple(await house.in_thread(post, url, log.request(old, told)))  # type: ignore[return-value]

        times = []
        for old, new in ((0, 3), (3, 7), (7, 7), (7, 20)):
            status, _, answer = await ask(old, entries[:new])
            assert status == 200
            times.append(check_line(site.witness_key, log.body(entries[:new]), answer))
        assert times == sorted(times)
        assert await ask(7, entries) == (409, "text/x.tlog.size", "20\n")
        assert await ask(20, forked) == (409, "text/x.tlog.size", "20\n")
        assert (await ask(20, entries[:5]))[0] == 400
        assert (await ask(20, [*forked, b"more"]))[0] == 422
        stranger = TinyLog()
        stranger.origin = "unknown.test/2026"
        assert (await house.in_thread(post, url, stranger.request(0, entries)))[0] == 404
        thief = TinyLog()
        thief.key = SigningKey(b"\x06" * 32)
        assert (await house.in_thread(post, url, thief.request(20, entries)))[0] == 403
        assert (await house.in_thread(post, url, b"hello"))[0] == 400
        assert (await house.in_thread(post, url, b"x" * 100_000))[0] == 413
        seen = json.loads(await house.in_thread(site.read, f"/log/seen?origin={log.origin}"))
        assert len(seen["forks"]) == 1


async def test_nobody_keeps_a_witness_busy_without_end(open_node: OpenNode, plan: Plan, tmp_path: Path) -> None:
    site, log = Site(tmp_path, "witness"), TinyLog()
    async with open_node(site.settings(plan, logs=[log.vkey])) as house:

        def flood() -> list[int]:
            """More than a network's allowance, on one connection."""
            codes, body = [], log.request(5, [b"x"] * 8)
            client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
            for _ in range(1000):
                client.request("POST", "/add-checkpoint", body)
                answer = client.getresponse()
                answer.read()
                codes.append(answer.status)
                if answer.status == 429:
                    break
            client.close()
            return codes

        codes = await house.in_thread(flood)
        assert set(codes) == {409, 429}
        assert codes.count(409) >= 200
        assert await house.inbox() == []  # and mail goes on


async def test_a_node_that_is_told_of_no_logs_is_no_witness(open_node: OpenNode, plan: Plan, tmp_path: Path) -> None:
    site = Site(tmp_path, "mail")
    async with open_node(site.settings(plan)) as house:
        status, _, _ = await house.in_thread(post, f"{site.url}/add-checkpoint", TinyLog().request(0, [b"x"]))
        assert status == 404
