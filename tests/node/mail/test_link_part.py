"""Attachments give way to notices, and nothing else of the message changes, whatever the message."""

from __future__ import annotations

import base64
import email
import email.policy

from hypothesis import example, given
from hypothesis import strategies as st

from node.ipfs import link_keys
from node.mail.link_part import Notice, movable, rewritten

CONTENT = bytes(range(256)) * 8


def _message(number: int, width: int, end: bytes, headers: bytes) -> bytes:
    body = base64.b64encode(CONTENT)
    lines = end.join(body[at : at + width] for at in range(0, len(body), width))
    part = (
        b"--b" + end + b'Content-Type: application/zip; name="a.zip"' + end + headers
        + b"Content-Transfer-Encoding: base64" + end + end + lines + end
    )  # fmt: skip
    head = b"From: ann@house.example" + end + b"Content-Type: multipart/mixed; boundary=b" + end + end + b"--b" + end
    return head + end + b"The text." + end + part * number + b"--b--" + end + b"epilogue"


@given(
    st.integers(1, 4), st.sampled_from([4, 60, 76, 1000]), st.sampled_from([b"\r\n", b"\n"]),
    st.sampled_from([b"", b"X-Kept: yes\n", b"Content-ID: <1@x>\nContent-Disposition: attachment\n"]),
)  # fmt: skip
def test_everything_else_stays(number: int, width: int, end: bytes, headers: bytes) -> None:
    message = _message(number, width, end, headers.replace(b"\n", end))
    found = movable(message, 1000)
    assert len(found) == number
    notices = [Notice(one, f"https://x/link/{at}#key", "2 KiB", "Soon.") for at, one in enumerate(found)]
    made = b"".join(rewritten(message, notices, "waxseal-1"))
    assert made.startswith(message[: found[0].part.header_start])
    assert made.endswith(message[found[-1].part.body_end :])
    parts = list(email.message_from_bytes(made, policy=email.policy.default).iter_parts())
    assert len(parts) == number + 1
    for at, part in enumerate(parts[1:]):
        plain, html = (one.get_content() for one in part.iter_parts())
        assert f"https://x/link/{at}#key" in plain
        assert f'href="https://x/link/{at}#key"' in html
        assert ("X-Kept" in part) is (b"X-Kept" in headers)


@given(st.binary(max_size=2000))
@example(b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\n" + b"AAAA\n" * 300)
def test_no_message_breaks_it(message: bytes) -> None:
    found = movable(message, 100)
    if found:
        notices = [Notice(one, "https://x/link/1#key", "1 KiB", "Soon.") for one in found]
        assert b"".join(rewritten(message, notices, "waxseal-1"))


@given(st.text(max_size=60))
def test_one_spelling_for_every_id(text: str) -> None:
    found = link_keys.octets(text, 16)
    assert found is None or link_keys.text(found) == text


@given(st.binary(min_size=16, max_size=16))
def test_ids_come_back(id: bytes) -> None:
    assert link_keys.octets(link_keys.text(id), 16) == id
