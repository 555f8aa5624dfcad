"""Two clients do whatever they like to one mailbox; what each believes must come out as what is there."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

FETCH = re.compile(rb"\* (\d+) FETCH \((?:UID (\d+) )?FLAGS \(([^)]*)\)[ )]")
SIZE = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE)")
NUMBERS = st.integers(1, 8)
FLAGS = st.sampled_from(["\\Seen", "\\Deleted", "\\Flagged", "Word"])

STEPS = st.one_of(
    st.just("NOOP"),
    st.just("APPEND"),
    st.just("EXPUNGE"),
    st.just("IDLE"),
    st.builds("STORE {} {}FLAGS ({})".format, NUMBERS, st.sampled_from(["", "+", "-"]), FLAGS),
    st.builds("UID STORE 1:{} {}FLAGS ({})".format, NUMBERS, st.sampled_from("+-"), FLAGS),
    st.builds("UID EXPUNGE {}:*".format, NUMBERS),
    st.builds("COPY {}:{} INBOX".format, NUMBERS, NUMBERS),
    st.builds("MOVE {} Trash".format, NUMBERS),
    st.builds("FETCH {} BODY[TEXT]".format, NUMBERS),
    st.builds("SEARCH {} ALL".format, NUMBERS),
)


class Believer:
    """A client's picture of the mailbox, drawn from untagged responses alone."""

    def __init__(self, client: Any, count: int) -> None:
        self.client = client
        self.picture: list[set[bytes] | None] = [None] * count

    def hear(self, lines: list[bytes], command: str) -> None:
        for line in lines:
            if size := SIZE.fullmatch(line):
                number = int(size[1])
                if size[2] == b"EXISTS":
                    assert number >= len(self.picture), "EXISTS never shrinks a mailbox"
                    self.picture += [None] * (number - len(self.picture))
                else:
                    assert not command.startswith(("FETCH", "STORE", "SEARCH")), "RFC 3501 §7.4.1"
                    del self.picture[number - 1]
            elif fetch := FETCH.match(line):
                self.picture[int(fetch[1]) - 1] = set(fetch[3].split())

    async def do(self, step: str) -> None:
        if step == "APPEND":
            lines = await self.client.finish(await self.client.start(b"APPEND INBOX {4+}\r\n\r\n\r\n"))
        elif step == "IDLE":
            tag = await self.client.start("IDLE")
            await self.client.send(b"DONE\r\n")
            lines = await self.client.finish(tag)
        else:
            lines = await self.client.run(step)
        assert not lines[-1].startswith(b"BAD"), lines
        self.hear(lines, step)

    async def check(self) -> list[tuple[bytes, set[bytes]]]:
        """Compare the picture with what the server says when asked; the UIDs and flags."""
        await self.do("NOOP")
        lines = (await self.client.ok("UID FETCH 1:* FLAGS"))[:-1]
        found = [fetch for line in lines if (fetch := FETCH.match(line))]
        assert [int(fetch[1]) for fetch in found] == list(range(1, len(self.picture) + 1))
        told = [(fetch[2], set(fetch[3].split())) for fetch in found]
        for believed, (_, flags) in zip(self.picture, told, strict=True):
            assert believed is None or believed == flags
        return told


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), STEPS), max_size=25))
def test_two_sessions_agree(open_house: Any, steps: list[tuple[bool, str]]) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as directory:
            async with open_house(Path(directory)) as house:
                await house.fill(4)
                both = [Believer(await house.ready(), 4) for _ in range(2)]
                for first, step in steps:
                    await both[first].do(step)
                assert await both[0].check() == await both[1].check()

    trio.run(main)
