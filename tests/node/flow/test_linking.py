"""Large attachments to people elsewhere become links: before the signature, in one commit with the message, or not."""

from __future__ import annotations

import email
import email.policy
import hashlib
import os
import re
import time
import tracemalloc
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import dkim
import pytest

from node.auth.gate import Gate
from node.base.errors import Temporary
from node.flow.linking import Linker, Terms
from node.flow.signing import Signing
from node.flow.submit import Submit
from node.ipfs import clearing, link_keys
from node.ipfs.blockstore import LocalBlocks
from node.ipfs.cid import Cid
from node.ipfs.cipher import Cipher
from node.ipfs.seal import Header
from node.ipfs.unixfs import read
from node.mail.link_part import movable, printable
from node.store import dkim_keys, links, spool
from node.store.blobs import Blobs
from node.store.links import Link

pytestmark = pytest.mark.anyio

CONTENT = os.urandom(600_000)
NOW = 1_800_000_000
ADDRESS = re.compile(r"https://mx\.house\.example/link/([\w-]{22})#([\w-]{43})")


def letter(name: str = "report.zip", content: bytes = CONTENT, **fields: str) -> bytes:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = "ann@house.example", "x@y.example", "hi"
    for field, value in fields.items():
        message[field.replace("_", "-")] = value
    message.set_content("See the report.\n")
    message.add_attachment(content, "application", "zip", filename=name)
    return message.as_bytes()


@pytest.fixture
def linker(house: Any, tmp_path: Path) -> Linker:
    terms = Terms("https://mx.house.example", threshold=100_000)
    return Linker(house.premises, LocalBlocks(tmp_path / "blocks"), terms, clock=lambda: NOW)


@pytest.fixture
def submit(house: Any, linker: Linker) -> Submit:
    return Submit(house.premises, Gate(house.premises.database), lambda: None, linker=linker)


async def send(house: Any, submit: Submit, content: bytes, *recipients: str) -> None:
    session = house.session()
    session.account = house.ann
    transaction = house.transaction(*(recipients or ("x@y.example",)), sender="ann@house.example")
    reply = await submit.finish(session, transaction, await house.incoming(content))
    assert reply.code == 250, reply


async def sent(house: Any) -> list[bytes]:
    """What is on its way to other servers."""
    entries = await house.premises.database.read(lambda tx: spool.due(tx, 1 << 60, 100))
    blobs = Blobs(house.premises.database, house.premises.data)
    return [await blobs.read(entry.blob_id) for entry in entries]


async def all_links(house: Any) -> list[Link]:
    return await house.premises.database.read(lambda tx: links.of_account(tx, house.ann.id, NOW))


async def count(linker: Linker) -> int:
    return len([cid async for cid in linker.blocks.ids()])


async def opened(linker: Linker, link: Link, secret: bytes) -> bytes:
    """The file behind a link, as the page's script opens it."""
    sized, key = Header(bytes(16), link.size, 256 << 10), link_keys.content_key(secret, link.id)
    leaves = [leaf async for leaf in read(linker.blocks.get, Cid.from_bytes(link.cid), sized.sealed_size)]
    header = Header.decode(leaves[0][: Header.SIZE])
    assert header.cipher is Cipher.AES_256_GCM
    return b"".join(header.open(key, number, leaf) for number, leaf in enumerate(leaves))


async def test_who_asks_sends_a_link_elsewhere_and_the_file_to_people_here(house: Any, submit: Submit) -> None:
    linker = submit.linker
    assert linker is not None
    original = letter(X_Waxseal_Links="yes", X_Other="stays")
    await send(house, submit, original, "x@y.example", "z@y.example", "bob@house.example")
    (here,) = await house.contents(house.bob)
    assert here.endswith(original), "people here get the message as it is"
    first, second = await sent(house)
    assert first == second
    message = email.message_from_bytes(first, policy=email.policy.default)
    assert message["X-Other"] == "stays"
    assert message["X-Waxseal-Links"] is None
    text, notice = message.iter_parts()
    assert text.get_content().strip() == "See the report."
    assert notice.get_content_type() == "multipart/alternative"
    plain, html = (part.get_content() for part in notice.iter_parts())
    found, again = ADDRESS.search(plain), ADDRESS.search(html)
    assert found
    assert again
    assert found[0] == again[0]
    assert "report.zip (585 KiB)" in plain
    assert "for 20 downloads" in plain
    (link,) = await all_links(house)
    assert (link.name, link.size, link.recipients) == ("report.zip", len(CONTENT), "x@y.example and 1 more")
    id, secret = link_keys.octets(found[1], 16), link_keys.octets(found[2], 32)
    assert id == link.id
    assert secret
    assert await opened(linker, link, secret) == CONTENT
    assert link.proof == hashlib.sha256(link_keys.proof(secret, id)).digest()
    kept = [getattr(link, name) for name in Link.__dataclass_fields__]
    assert not {secret, link_keys.content_key(secret, id), link_keys.proof(secret, id)} & set(kept), "no key is kept"
    assert max(map(len, first.split(b"\r\n"))) <= 998


async def test_what_goes_elsewhere_and_what_stays_are_both_signed(house: Any, submit: Submit, tmp_path: Path) -> None:
    keys = dkim_keys.make(tmp_path / "dkim", "house.example", int(time.time()))
    records = {f"{one.key.selector}._domainkey.house.example.": one.key.record.encode() for one in keys}
    submit.signing = Signing(tmp_path / "dkim")
    await send(house, submit, letter(X_Waxseal_Links="yes"), "x@y.example", "bob@house.example")
    (abroad,), (here,) = await sent(house), await house.contents(house.bob)
    assert b"multipart/alternative" in abroad
    assert len(here) > len(CONTENT)
    for message in (abroad, here):
        seal = dkim.DKIM(message)
        assert all(seal.verify(idx=number, dnsfunc=lambda name, timeout=5: records[name.decode()]) for number in (0, 1))


async def test_who_wants_links(house: Any, submit: Submit, linker: Linker) -> None:
    async def goes_as_link(**fields: str) -> bool:
        before = len(await all_links(house))
        await send(house, submit, letter(**fields))
        return len(await all_links(house)) > before

    def choose(wanted: bool | None) -> Any:
        return house.premises.database.write(lambda tx: links.choose(tx, house.ann.id, wanted))

    assert not await goes_as_link()
    await choose(True)
    assert await goes_as_link()
    assert not await goes_as_link(X_Waxseal_Links="No")
    await choose(None)
    submit.linker = Linker(
        house.premises, linker.blocks, Terms("https://x", frozenset({"house.example"}), 100_000), clock=lambda: NOW
    )
    assert await goes_as_link()
    await choose(False)
    assert not await goes_as_link()
    assert await goes_as_link(X_Waxseal_Links="yes")
    before = len(await all_links(house))
    await send(house, submit, letter(X_Waxseal_Links="yes", content=b"small" * 1000))
    await send(house, submit, letter(X_Waxseal_Links="yes"), "bob@house.example")
    assert len(await all_links(house)) == before, "small files go whole, and so does what stays here"


def test_what_must_stay_whole_stays() -> None:
    whole = letter()
    assert [one.name for one in movable(whole, 100_000)] == ["report.zip"]
    for kind in ("multipart/signed", "multipart/encrypted"):
        assert not movable(whole.replace(b"multipart/mixed", kind.encode()), 100_000)
    assert not movable(whole.replace(b"application/zip", b"application/pkcs7-mime"), 100_000)
    picture = whole.replace(b"Content-Disposition: attachment", b"Content-ID: <1@x>\r\nContent-Disposition: inline")
    assert not movable(picture, 100_000)
    forwarded = EmailMessage(policy=email.policy.SMTP)
    forwarded["From"] = "ann@house.example"
    forwarded.set_content("See below.\n")
    forwarded.add_attachment(email.message_from_bytes(whole, policy=email.policy.SMTP))
    assert not movable(forwarded.as_bytes(), 100_000)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a.exe", "a.exe"),
        ("a\r\nX: y", "a X: y"),
        ("exe.\u202efdp", "exe. fdp"),
        ("", "attachment"),
        ("/", "attachment"),
        ("\ud800x", "?x"),
        ("ü" * 900, "ü" * 200),
    ],
)
def test_names_of_files(name: str, shown: str) -> None:
    assert printable(name) == shown


async def test_hostile_names_run_nowhere(house: Any, submit: Submit) -> None:
    name = '<script>alert("1")</script>ä.zip'
    await send(house, submit, letter(name.replace("/", "-"), X_Waxseal_Links="yes"))
    (message,) = await sent(house)
    notice = list(email.message_from_bytes(message, policy=email.policy.default).iter_parts())[1]
    plain, html = (part.get_content() for part in notice.iter_parts())
    assert "<script>" in plain
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


async def test_a_message_that_is_an_attachment(house: Any, submit: Submit) -> None:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["X-Waxseal-Links"] = "ann@house.example", "yes"
    message.set_content(CONTENT, "application", "zip", filename="all.zip")
    await send(house, submit, message.as_bytes())
    (went,) = await sent(house)
    read_back = email.message_from_bytes(went, policy=email.policy.default)
    assert read_back.get_content_type() == "multipart/alternative"
    assert read_back["Content-Transfer-Encoding"] is None
    assert read_back["X-Waxseal-Links"] is None


class Failing(LocalBlocks):
    """A store whose disk is full after some blocks."""

    async def put(self, blocks: Any) -> None:
        await super().put(blocks[:1])
        raise Temporary("cannot store blocks: no space left on device")


async def test_with_the_store_broken_mail_goes_whole_and_leaves_nothing(
    house: Any, submit: Submit, linker: Linker, tmp_path: Path
) -> None:
    linker.blocks = Failing(tmp_path / "blocks")
    original = letter(X_Waxseal_Links="yes")
    await send(house, submit, original)
    (went,) = await sent(house)
    assert went.endswith(original)
    assert await all_links(house) == []
    assert await count(linker) == 0


async def test_what_is_not_sent_leaves_nothing(house: Any, submit: Submit, linker: Linker) -> None:
    incoming = await house.incoming(letter(X_Waxseal_Links="yes"))
    transaction = house.transaction("x@y.example", sender="ann@house.example")
    head = await incoming.head(400)
    linked = await linker.make(house.ann, transaction.recipients, head, incoming)
    assert linked
    assert await count(linker) > 2
    with pytest.raises(Temporary, match="links"):  # nobody may take these blocks for garbage meanwhile
        await clearing.collect_garbage(house.premises.database, linker.blocks)
    await linked.content.aclose()
    await linker.abandon(linked)
    assert await count(linker) == 0
    assert await all_links(house) == []


async def test_what_ended_is_cleared_away_and_what_works_is_no_garbage(
    house: Any, submit: Submit, linker: Linker
) -> None:
    for _ in range(2):
        await send(house, submit, letter(X_Waxseal_Links="yes"))
    assert await clearing.collect_garbage(house.premises.database, linker.blocks) == 0
    blocks, (one, other) = await count(linker), await all_links(house)
    assert await linker.sweep() == 0
    write = house.premises.database.write
    assert not await write(lambda tx: links.revoke(tx, one.id, house.bob.id, NOW)), "another's link"
    assert await write(lambda tx: links.revoke(tx, one.id, house.ann.id, NOW))
    assert not await write(lambda tx: links.revoke(tx, one.id, house.ann.id, NOW)), "once"
    assert await linker.sweep() == 1
    assert await count(linker) == blocks // 2
    linker.clock = lambda: NOW + 31 * 86400
    assert await linker.sweep() == 1
    assert await count(linker) == 0
    assert {link.id for link in await all_links(house)} >= {one.id}, "still listed"
    linker.clock = lambda: NOW + 200 * 86400
    await linker.sweep()
    assert await house.premises.database.read(lambda tx: links.get(tx, other.id)) is None


async def test_a_large_message_takes_little_memory(house: Any, submit: Submit, tmp_path: Path) -> None:
    """60 MB of content: what Python holds at a time stays a few batches."""
    content = letter(content=os.urandom(60_000_000), X_Waxseal_Links="yes")
    incoming = await house.incoming(content)
    head = content[: content.index(b"\r\n\r\n")]
    del content
    assert submit.linker
    tracemalloc.start()
    try:
        linked = await submit.linker.make(house.ann, house.transaction("x@y.example").recipients, head, incoming)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await incoming.aclose()
    assert linked
    assert linked.content.size < 10_000
    assert peak < 40 << 20, peak
    await linked.content.aclose()


async def test_what_a_crash_left_begun_is_garbage_after_a_while(house: Any, linker: Linker) -> None:
    incoming = await house.incoming(letter(X_Waxseal_Links="yes"))
    recipients = house.transaction("x@y.example").recipients
    linker.clock = lambda: time.time() - links.BEGUN_SECONDS - 60
    linked = await linker.make(house.ann, recipients, await incoming.head(400), incoming)
    assert linked  # and then the power went
    await linked.content.aclose()
    await incoming.aclose()
    begun = linked.made[0][0].id
    linker.clock = time.time
    await linker.sweep()
    assert await house.premises.database.read(lambda tx: links.get(tx, begun)) is None
    assert await clearing.collect_garbage(house.premises.database, linker.blocks) > 2
    assert await count(linker) == 0
