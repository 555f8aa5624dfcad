"""Full disks, real ones: the message stays whole, or its sender keeps it."""

from __future__ import annotations

import random
import smtplib
import subprocess
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
import structlog

from node.base.config import Settings
from tests.node.service.test_mail_first import heard

pytestmark = pytest.mark.anyio
SmallDisk = Callable[[Path], None]


@pytest.fixture
def parcel() -> bytes:
    """A message of 2.8 MB that nothing makes smaller."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "nora@other.test", "ann@example.test", "parcel"
    noise = random.Random(5).randbytes(2 << 20)
    message.add_attachment(noise, maintype="application", subtype="octet-stream", filename="p.bin")
    return message.as_bytes()


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    """Makes a folder and puts a disk of 1 MiB there."""
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_of_blocks_leaves_the_message_whole(
    open_node: Any, plan: Callable[..., Settings], parcel: bytes, small_disk: SmallDisk
) -> None:
    settings = plan()
    blocks = settings.data / "blocks"
    small_disk(blocks)
    with structlog.testing.capture_logs() as lines:
        async with open_node(settings) as house:
            await house.deliver(parcel)
            failure = await heard(lines, "offload.failed")
            (kept,) = await house.inbox()
    assert kept.endswith(parcel)
    assert "No space left" in failure["error"]
    assert failure["again"] is True
    assert not [path for path in blocks.rglob("*") if path.is_file()], "what was written in vain is removed"


@pytest.mark.parametrize("folder", ["incoming", "blobs"])
async def test_where_mail_cannot_be_kept_its_sender_is_asked_to_come_again(
    open_node: Any, plan: Callable[..., Settings], parcel: bytes, note: bytes, small_disk: SmallDisk, folder: str
) -> None:
    settings = plan()
    small_disk(settings.data / folder)
    async with open_node(settings) as house:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            await house.deliver(parcel)
        assert 400 <= refusal.value.smtp_code < 500
        await house.deliver(note)
        (kept,) = await house.inbox()
    assert kept.endswith(note)
