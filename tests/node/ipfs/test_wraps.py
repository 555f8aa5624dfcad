"""Who holds a content key: wraps follow mailboxes and shares; and equal attachments of a tenant are one."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from node.base.address import Address
from node.base.errors import Permanent
from node.ipfs import convergent, wraps
from node.ipfs.blockstore import LocalBlocks
from node.ipfs.cid import Cid
from node.ipfs.cipher import Cipher
from node.ipfs.keys import Keys, wrap
from node.ipfs.offload import Offload
from node.ipfs.seal import Header
from node.ipfs.unixfs import blocks_of
from node.store import accounts, blobs, domains, mailboxes, messages, part_keys, parts
from node.store.accounts import Account
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.directory import delegates, tenants
from node.store.messages import Summary
from node.store.parts import Candidate, WrappedKey
from node.store.transaction import Reading, Writing

pytestmark = pytest.mark.anyio

EMPTY = Summary(b"", b"", b"", b"")
THRESHOLD = 1000
FILE = os.urandom(300_000)


@dataclass
class House:
    """A node's store with people in two tenants and one in none."""

    database: Database
    directory: Path
    people: dict[str, Account]
    offload: Offload

    @property
    def blobs(self) -> Blobs:
        return Blobs(self.database, self.directory, self.offload.parts)

    async def deliver(self, message: bytes, *names: str) -> int:
        """To several people at once, and cut; the blob's id."""
        prepared = await blobs.prepare(self.database, message)

        def work(tx: Writing) -> int:
            blob_id = blobs.add(tx, prepared)
            for name in names:
                messages.add(tx, inbox(tx, self.people[name]), blob_id, len(message), EMPTY, internaldate=0)
            return blob_id

        blob_id = await self.database.write(work)
        await self.offload.cut(Candidate(blob_id, self.people[names[0]].id))
        return blob_id

    async def holders(self, blob_id: int) -> set[str]:
        """Whom the attachment's key is wrapped for; each wrap is of kind 2 and opens."""
        names = {person.id: name for name, person in self.people.items()}
        found = await self.database.read(partial(_wraps, blob_id=blob_id))
        assert {one.wrapped[0] for one in found} == {2}
        return {names[one.account_id] for one in found}

    async def expunge(self, name: str) -> None:
        def work(tx: Writing) -> None:
            box = inbox(tx, self.people[name])
            messages.remove(tx, box, list(messages.uids(tx, box)))

        await self.database.write(work)

    async def deduplicate(self, keys: Keys, *names: str) -> None:
        for name in names:
            secret = convergent.new_secret(keys, name)
            await self.database.write(partial(part_keys.put_secret, tenant=name, sealed=secret))

    async def block_ids(self) -> set[Cid]:
        return {cid async for cid in LocalBlocks(self.directory / "blocks").ids()}


def _wraps(tx: Reading, blob_id: int) -> list[WrappedKey]:
    about = blobs.about(tx, blob_id)
    assert about is not None
    (part,) = parts.of_message(tx, about[0])
    return part_keys.of_part(tx, part.reference)


def inbox(tx: Reading, person: Account) -> int:
    found = mailboxes.find(tx, person.id, "INBOX")
    assert found is not None
    return found.id


KEYS = Keys(bytes(32))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    def work(tx: Writing) -> dict[str, Account]:
        people = {}
        for name, domain in (
            ("ann", "one.test"),
            ("bob", "one.test"),
            ("cat", "two.test"),
            ("dan", "none.test"),
            ("eve", "none.test"),
        ):
            people[name] = accounts.add(tx, Address(name, domain))
        for tenant in ("one", "two"):
            tenants.add(tx, tenant)
            domains.add(tx, f"{tenant}.test")
            domains.put(tx, domains.Domain(f"{tenant}.test", tenant=tenant))
        return people

    async with Database.open(tmp_path / "waxseal.db") as database:
        people = await database.write(work)
        offload = Offload(database, LocalBlocks(tmp_path / "blocks"), KEYS, THRESHOLD)
        yield House(database, tmp_path, people, offload)


def mail(subject: str, content: bytes = FILE) -> bytes:
    text = base64.encodebytes(content).replace(b"\n", b"\r\n")
    head = f"Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
    head += "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=x.bin\r\n\r\n"
    return head.encode() + text


async def test_everyone_a_message_came_to_has_a_wrap(house: House) -> None:
    blob_id = await house.deliver(mail("a"), "ann", "bob")
    assert await house.holders(blob_id) == {"ann", "bob"}
    assert await house.offload.rewrap() == (0, 0)


async def test_a_copy_gets_a_wrap_and_loses_it_with_the_message(house: House) -> None:
    blob_id = await house.deliver(mail("a"), "ann")

    def copy(tx: Writing) -> None:
        messages.add(tx, inbox(tx, house.people["cat"]), blob_id, len(mail("a")), EMPTY, internaldate=0)

    await house.database.write(copy)
    assert await house.holders(blob_id) == {"ann"}
    assert await house.offload.rewrap() == (1, 0)
    assert await house.holders(blob_id) == {"ann", "cat"}
    await house.expunge("ann")
    assert await house.offload.rewrap() == (0, 1)
    assert await house.holders(blob_id) == {"cat"}
    assert await house.blobs.read(blob_id) == mail("a")


async def test_a_shared_mailbox_gives_its_people_wraps_until_the_share_ends(house: House) -> None:
    blob_id = await house.deliver(mail("a"), "ann")
    ann, dan = house.people["ann"].id, house.people["dan"].id
    await house.database.write(partial(delegates.put, account_id=ann, person_id=dan, may_send=False))
    assert await house.offload.rewrap() == (1, 0)
    assert await house.holders(blob_id) == {"ann", "dan"}
    await house.database.write(partial(delegates.remove, account_id=ann, person_id=dan))
    assert await house.offload.rewrap() == (0, 1)
    assert await house.holders(blob_id) == {"ann"}


async def test_what_comes_into_a_shared_mailbox_is_wrapped_for_all_at_once(house: House) -> None:
    ann, dan = house.people["ann"].id, house.people["dan"].id
    await house.database.write(partial(delegates.put, account_id=ann, person_id=dan, may_send=False))
    assert await house.holders(await house.deliver(mail("a"), "ann")) == {"ann", "dan"}


async def test_a_person_s_end_takes_nobody_s_attachment_and_shreds_the_key_pair(house: House) -> None:
    blob_id = await house.deliver(mail("a"), "ann")

    def copy_and_leave(tx: Writing) -> None:
        messages.add(tx, inbox(tx, house.people["bob"]), blob_id, len(mail("a")), EMPTY, internaldate=0)
        accounts.remove(tx, house.people["ann"])

    await house.database.write(copy_and_leave)
    assert await house.blobs.read(blob_id) == mail("a")
    assert await house.offload.rewrap() == (1, 1)
    assert await house.holders(blob_id) == {"bob"}
    assert await house.blobs.read(blob_id) == mail("a")
    pair = partial(part_keys.account_pair, account_id=house.people["ann"].id)
    assert await house.database.read(pair) is None


async def test_with_the_last_message_every_wrap_goes_in_its_transaction(house: House) -> None:
    blob_id = await house.deliver(mail("a"), "ann", "bob")
    about = await house.database.read(partial(blobs.about, blob_id=blob_id))
    assert about is not None
    (part,) = await house.database.read(partial(parts.of_message, sha256=about[0]))
    for name in ("ann", "bob"):
        await house.expunge(name)
    assert await house.blobs.collect() == 1
    assert await house.database.read(partial(part_keys.of_part, reference=part.reference)) == []
    await house.offload.sweep()
    assert await house.block_ids() == set()


async def test_wraps_of_the_first_kind_are_read_and_replaced(house: House) -> None:
    blob_id = await house.deliver(mail("a"), "ann")
    ann = house.people["ann"].id

    def set_back(tx: Writing) -> None:
        about = blobs.about(tx, blob_id)
        assert about is not None
        (part,) = parts.of_message(tx, about[0])
        bound = b"waxseal content key\0" + ann.to_bytes(8, "big") + part.reference
        first = KEYS.hide(wraps.open_key(tx, KEYS, part.reference), bound)
        part_keys.put(tx, part.reference, blob_id, WrappedKey(ann, first))

    await house.database.write(set_back)
    assert await house.blobs.read(blob_id) == mail("a")
    assert await house.offload.rewrap() == (1, 0)
    assert await house.holders(blob_id) == {"ann"}
    assert await house.blobs.read(blob_id) == mail("a")


async def test_any_wrap_that_opens_will_do_and_without_one_nothing_is_read(house: House) -> None:
    blob_id = await house.deliver(mail("a"), "ann", "bob")
    found = await house.database.read(partial(_wraps, blob_id=blob_id))

    def spoil(tx: Writing, people: list[str]) -> None:
        about = blobs.about(tx, blob_id)
        assert about is not None
        (part,) = parts.of_message(tx, about[0])
        for name in people:
            person = house.people[name].id
            pair = part_keys.account_pair(tx, person)
            assert pair is not None
            wrong = wrap(bytes(32), pair[0], person, bytes(16))
            part_keys.put(tx, part.reference, blob_id, WrappedKey(person, wrong))

    await house.database.write(partial(spoil, people=["ann"]))
    assert await house.blobs.read(blob_id) == mail("a")
    await house.database.write(partial(spoil, people=["bob"]))
    fresh = Blobs(house.database, house.directory, Offload(house.database, LocalBlocks(house.directory), KEYS).parts)
    with pytest.raises(Permanent, match="another file"):
        await fresh.read(blob_id)
    assert len(found) == 2


# --- kept once --------------------------------------------------------------------------------------------------------


async def test_by_default_nothing_is_kept_once(house: House) -> None:
    for name in ("ann", "bob"):
        await house.deliver(mail(name), name)
    assert len(await house.database.read(parts.roots)) == len(set(await house.database.read(parts.roots))) == 2


async def test_equal_attachments_of_a_tenant_are_one_tree_and_of_two_are_two(house: House) -> None:
    await house.deduplicate(KEYS, "one", "two")
    found = {name: await house.deliver(mail(name), name) for name in ("ann", "bob", "cat", "dan")}
    roots = dict(zip(found, await house.database.read(parts.roots), strict=True))
    by_blob = {}
    for name, blob_id in found.items():
        about = await house.database.read(partial(blobs.about, blob_id=blob_id))
        assert about is not None
        ((_, by_blob[name], _),) = await house.offload.of_message(about[0])
        assert await house.blobs.read(blob_id) == mail(name)
    assert set(map(bytes, by_blob.values())) == set(roots.values())
    assert by_blob["ann"] == by_blob["bob"]
    assert len(set(by_blob.values())) == 3


async def test_a_tree_kept_once_stays_until_its_last_message_went(house: House) -> None:
    await house.deduplicate(KEYS, "one")
    found = {name: await house.deliver(mail(name), name) for name in ("ann", "bob")}
    stored = await house.block_ids()
    await house.expunge("ann")
    assert await house.blobs.collect() == 1
    assert await house.offload.sweep() == 1
    assert await house.offload.collect_garbage() == 0
    assert await house.block_ids() == stored
    assert await house.blobs.read(found["bob"]) == mail("bob")
    await house.expunge("bob")
    await house.blobs.collect()
    await house.offload.sweep()
    assert await house.block_ids() == set()


async def test_a_damaged_tree_is_written_again_by_the_next_equal_attachment(house: House) -> None:
    await house.deduplicate(KEYS, "one")
    first = await house.deliver(mail("a"), "ann")
    stored = await house.block_ids()
    (root,) = await house.database.read(parts.roots)
    store = LocalBlocks(house.directory / "blocks")
    leaf, *_ = [cid async for cid in blocks_of(store.get, Cid.from_bytes(root))]
    await store.delete([leaf])
    second = await house.deliver(mail("b"), "bob")
    assert await house.block_ids() == stored
    for blob_id, subject in ((first, "a"), (second, "b")):
        assert await house.blobs.read(blob_id) == mail(subject)


async def test_twice_in_one_message_is_one_tree(house: House) -> None:
    await house.deduplicate(KEYS, "one")
    one = b"--b\r\n" + mail("x").replace(b"Subject: x\r\nMIME-Version: 1.0\r\n", b"")
    message = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + one + one + b"--b--\r\n"
    blob_id = await house.deliver(message, "ann")
    roots = await house.database.read(parts.roots)
    assert len(roots) == 2
    assert len(set(roots)) == 1
    assert await house.blobs.read(blob_id) == message


def test_derived_keys_are_these() -> None:
    header, key = convergent.derive(bytes(range(32)), bytes(range(32, 64)), 1 << 20, 1 << 18, Cipher.AES_256_GCM)
    assert header.encode().hex() == "5758534c01021200f32d2a33d79f2d4fafacd71f265aecb30000000000100000"
    assert key.hex() == "550f9434e7f7cd1ab794331db30c101aecb8eb22a6217a101cd44267b496b7f6"


def test_what_decides_how_leaves_are_cut_and_sealed_is_in_the_key() -> None:
    secret, digest = bytes(32), bytes(32)
    derived: list[tuple[Header, bytes]] = [
        convergent.derive(secret, digest, 1 << 20, 1 << 18, Cipher.AES_256_GCM),
        convergent.derive(secret, digest, 1 << 20, 1 << 18, Cipher.XCHACHA20_POLY1305),
        convergent.derive(secret, digest, 1 << 20, 1 << 20, Cipher.AES_256_GCM),
        convergent.derive(secret, digest, 1 << 21, 1 << 18, Cipher.AES_256_GCM),
        convergent.derive(secret, bytes(31) + b"\1", 1 << 20, 1 << 18, Cipher.AES_256_GCM),
        convergent.derive(bytes(31) + b"\1", digest, 1 << 20, 1 << 18, Cipher.AES_256_GCM),
    ]
    assert len({key for _, key in derived}) == len({header.file_id for header, _ in derived}) == len(derived)
