"""`waxseal registry` and `waxseal policy` on the embedded chain and on anvil, and what people get wrong."""

from __future__ import annotations

import json
import secrets
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from node.anchor import governance, policy, registry
from node.anchor.governance import ADDRESS
from node.anchor.keys import LogKeys, open_keys
from node.net.chain.embedded import EmbeddedChain
from node.net.chain.transaction import address_of
from node.service.folders import Folders
from node.store.database import Database

Call = Callable[..., Any]
ORIGIN = "mx.example.test/log"
KEY = "0x" + "11" * 20


@pytest.fixture
def keys(place: Any) -> LogKeys:
    """The node has started before: it has keys, and its embedded chain."""
    folders = Folders(place.data)
    folders.make()
    made = open_keys(folders.keys, "mx.example.test")

    async def begin() -> None:
        async with Database.open(folders.database), EmbeddedChain.open(folders.chain, made.chain_key) as chain:
            await registry.CONTRACT.deploy(chain)
            await governance.CONTRACT.deploy(chain)

    trio.run(begin)
    return made


def shown(waxseal: Call, place: Any, *arguments: str) -> dict[str, Any]:
    said = waxseal("registry", "show", "--json", *arguments, "-c", place.config)
    found: dict[str, Any] = json.loads(said.out)
    assert said.code == (0 if found["registration"] else 1)
    return found


def test_a_registration_on_the_embedded_chain(waxseal: Call, place: Any, keys: LogKeys) -> None:
    said = waxseal("registry", "register", "-c", place.config)
    assert said.code == 0
    assert str(keys.log_key) in said.out
    assert f'_waxseal.mx.example.test. TXT "v=waxseal1; account=eip155:24225:{keys.sender}"' in said.out
    first = shown(waxseal, place)["registration"]
    assert (first["origin"], first["account"], first["key"]) == (ORIGIN, keys.sender, keys.log_key.public.hex())


def test_a_keys_life_and_strangers_questions(
    waxseal: Call, place: Any, keys: LogKeys, anvil: str, domains_say: dict[str, str]
) -> None:
    fund(anvil, keys.sender)
    place.write(anchor={"chains": {"eip155:31337": {"rpc": [anvil], "confirmations": 1}}})
    here = ("--chain", "eip155:31337", "-c", place.config)
    nothing = waxseal("registry", "show", *here)
    assert (nothing.code, "nobody used it there yet" in nothing.err) == (1, True)
    said = waxseal("registry", "register", *here)
    assert said.code == 0
    name, _, text = said.out.splitlines()[-1].partition(" TXT ")
    assert "names no account on eip155:31337" in waxseal("registry", "show", "--dns", *here).words
    domains_say[name] = text
    vouched = f"the domain says: {keys.sender}; nobody vouches for the answer (no DNSSEC)"
    assert vouched in waxseal("registry", "show", "--dns", *here).words
    domains_say[name] = text.replace(keys.sender, KEY)
    other = waxseal("registry", "show", "--dns", "--account", keys.sender, *here)
    assert (other.code, f"{KEY}, which is another account" in other.words) == (0, True)
    assert waxseal("registry", "show", "--dns", *here).code == 1  # that one has registered nothing
    assert shown(waxseal, place, "other.test/log", *here)["registration"] is None
    again = waxseal("registry", "register", *here)
    assert again.code == 1
    assert "registered that log before: rotate its key" in again.err
    assert "give the log a new one first" in waxseal("registry", "rotate", *here).err

    (place.data / "keys" / "log.key").unlink()
    after = open_keys(place.data / "keys", "mx.example.test")
    assert waxseal("registry", "rotate", *here).code == 0
    found = shown(waxseal, place, *here)["registration"]
    assert found["key"] == after.log_key.public.hex()
    assert [one["until"] for one in found["periods"]] == [None, found["since"]]

    stranger = ("--rpc", anvil, "--chain", "eip155:31337", "--account", keys.sender)
    old = shown(waxseal, place, ORIGIN, *stranger, "--block", str(found["since"] - 1))["registration"]
    assert old["key"] == keys.log_key.public.hex()
    assert waxseal("registry", "show", ORIGIN, *stranger[:-1], KEY).code == 1
    other = waxseal("registry", "show", ORIGIN, "--rpc", anvil, "--chain", "eip155:1")
    assert "none of the servers serves eip155:1" in other.err

    assert waxseal("registry", "revoke", *here, stdin=b"n\n").code == 1
    assert waxseal("registry", "revoke", "--yes", *here).code == 0
    assert "nothing to revoke" in waxseal("registry", "revoke", "--yes", *here).err
    words = waxseal("registry", "show", *here).words
    assert "no key is in force" in words
    assert "revoked in block" in words
    assert waxseal("registry", "offer", KEY, *here).code == 0


def test_mistakes(waxseal: Call, place: Any, keys: LogKeys) -> None:
    for arguments, words in (
        (("rotate",), "has not registered"),
        (("revoke", "--yes"), "has not registered"),
        (("offer", KEY), "has not registered"),
        (("accept", KEY), "was not offered"),
        (("accept", "0x12"), "is no account"),
        (("register", "--chain", "eip155:1"), "is in no table"),
        (("show", "--chain", "bitcoin"), "is no chain's name"),
        (("show", "two words/log"), "a log's origin"),
        (("rotate", "nonsense"), "a log key looks like"),
        (("rotate", str(keys.log_key).replace("mx.", "my.")), "id does not fit"),
    ):
        said = waxseal("registry", *arguments, "-c", place.config)
        assert (said.code, words in said.err) == (1, True), (arguments, said)


def fund(url: str, account: str) -> None:
    """Give an account of ours some of anvil's coins."""

    body = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setBalance", "params": [account, hex(10**18)]}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as response:
        assert "error" not in json.loads(response.read())


def enforced(place: Any, keys: LogKeys, *changes: str) -> list[bytes]:
    """Policies that differ in a setting, all of them published."""

    async def work() -> list[bytes]:
        folders = Folders(place.data)
        async with (
            Database.open(folders.database) as database,
            EmbeddedChain.open(folders.chain, keys.chain_key) as chain,
        ):
            hashes = []
            for change in changes:
                made = await database.write(lambda tx, change=change: policy.enforce(tx, {"test": change}))
                hashes.append(made.hash)
                await governance.publish(chain, ADDRESS, made.hash)
            return hashes

    return trio.run(work)


def test_policies(waxseal: Call, place: Any, keys: LogKeys, tmp_path: Path) -> None:
    assert "start the node once" in waxseal("policy", "show", "-c", place.config).err
    first, second = enforced(place, keys, "lax", "strict")
    listed = waxseal("policy", "list", "-c", place.config).out.splitlines()
    assert [line.split("\t")[1] for line in listed] == [first.hex(), second.hex()]
    file = tmp_path / "policy.json"
    file.write_text(waxseal("policy", "show", first.hex(), "-c", place.config).out, "utf-8")
    assert '"test":"lax"' in file.read_text("utf-8")
    said = waxseal("policy", "verify", file, "-c", place.config)
    assert said.code == 0, said
    assert "until block" in said.out
    told = json.loads(waxseal("policy", "verify", second.hex(), "--json", "-c", place.config).out)
    assert told["holds"]
    (period,) = told["in_force"]
    assert period["until"] is None
    before = ("--block", str(period["since"] - 1))
    assert waxseal("policy", "verify", first.hex(), *before, "-c", place.config).code == 0
    assert waxseal("policy", "verify", second.hex(), *before, "-c", place.config).code == 1
    stranger = ("--sender", address_of(b"\x11" * 32))
    assert "has not published" in waxseal("policy", "verify", first.hex(), *stranger, "-c", place.config).out


def test_policies_that_are_none(waxseal: Call, place: Any, keys: LogKeys, tmp_path: Path) -> None:
    (known,) = enforced(place, keys, "lax")
    changed = tmp_path / "changed.json"
    document = waxseal("policy", "show", "-c", place.config).out
    changed.write_text(document.replace('"lax"', '"strict"'), "utf-8")
    said = waxseal("policy", "verify", changed, "-c", place.config)
    assert said.code == 1
    assert "has not published the policy" in said.out
    changed.write_text(document.replace(":", ": "), "utf-8")  # the same content, spelled differently
    assert "this is no policy" in waxseal("policy", "verify", changed, "-c", place.config).err
    for arguments, words in (
        (("verify", tmp_path / "none.json"), "neither a readable file nor a SHA-256"),
        (("verify", known.hex(), "--sender", "ann"), "--sender is an account"),
        (("show", secrets.token_hex(32)), "there is no such policy"),
    ):
        said = waxseal("policy", *arguments, "-c", place.config)
        assert (said.code, words in said.err) == (1, True), said
