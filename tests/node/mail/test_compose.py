"""The fields we add: whole lines, folded, and deaf to what a peer smuggles into a name."""

from __future__ import annotations

import re
from dataclasses import replace
from email import message_from_bytes
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.address import Address
from node.mail.compose import Trace, received, return_path
from node.mail.dsn import MAX_RETURNED, Failure, Notification, notification
from node.mail.headers import fields
from node.mail.part import parse

TRACE = Trace("mx.example.org", "192.0.2.1", "mail.example.net", "ESMTPS", "0f1e2d", 1_700_000_000)
ANN = Address("ann", "example.org")


def test_received_says_it_all() -> None:
    trace = replace(TRACE, peer_name="mx1.example.org", recipient=ANN, tls="TLSv1.3 TLS_AES_256_GCM_SHA384")
    assert received(trace) == (
        b"Received: from mx.example.org (mx1.example.org [192.0.2.1])\r\n"
        b"\t(using TLSv1.3 TLS_AES_256_GCM_SHA384) by mail.example.net with ESMTPS\r\n"
        b"\tid 0f1e2d for <ann@example.org>;\r\n"
        b"\tTue, 14 Nov 2023 22:13:20 +0000\r\n"
    )


@pytest.mark.parametrize(
    ("helo", "shown"),
    [
        ("[192.0.2.1]", b"from [192.0.2.1] ("),
        ("[IPv6:2001:db8::1]", b"from [IPv6:2001:db8::1] ("),
        ("a b", b"from unknown (HELO a b)"),
        ("x)\r\nBcc: y", b"from unknown (HELO x???Bcc: y)"),
        ("a\\", b"from unknown (HELO a?)"),
        ("münchen", b"from unknown (HELO m?nchen)"),
        ("", b"from unknown (["),
    ],
)
def test_hostile_helo_names_stay_words(helo: str, shown: bytes) -> None:
    assert shown in re.sub(rb"\r\n\t", b" ", received(replace(TRACE, helo=helo)))


@given(st.text(max_size=300), st.text(max_size=50), st.text(max_size=20), st.text(max_size=400))
def test_received_is_one_field_whatever_the_peer_says(helo: str, peer: str, name: str, tls: str) -> None:
    line = received(replace(TRACE, helo=helo, peer=peer, peer_name=name, tls=tls))
    assert len(fields(line, 0, len(line))) == 1
    assert line.endswith(b"\r\n")
    assert all(part.startswith(b"\t") and part.strip() for part in line.split(b"\r\n")[1:-1])
    assert max(map(len, line.split(b"\r\n"))) <= 998
    assert line.isascii()


def test_ipv6_peers_are_tagged() -> None:
    assert b"([IPv6:2001:db8::1])" in received(replace(TRACE, peer="2001:db8::1"))


def test_return_path() -> None:
    assert return_path(ANN) == b"Return-Path: <ann@example.org>\r\n"
    assert return_path(None) == b"Return-Path: <>\r\n"
    assert return_path(Address("a\r\nBcc: x", "example.org")).count(b"\n") == 1


FAILURE = Failure(
    Address("bob", "example.net"), "failed", "5.1.1", "550 5.1.1 no such\r\nuser", "mx.example.net", 1_700_000_000
)
ABOUT = Notification(
    "mail.example.org", ANN, "n1", 1_700_000_100, 1_700_000_000, (FAILURE,), b"Subject: x\nTo: bob\n\n"
)


def test_a_notification_has_its_three_parts() -> None:
    message = notification(ABOUT)
    part = parse(message)
    assert [child.content_type for child in part.children] == [
        ("text", "plain"),
        ("message", "delivery-status"),
        ("text", "rfc822-headers"),
    ]
    bodies = [message[child.body_start : child.body_end] for child in part.children]
    assert b"mx.example.net said: 550 5.1.1 no such user" in bodies[0]
    assert bodies[1] == (
        b"Reporting-MTA: dns; mail.example.org\r\nArrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\n"
        b"Final-Recipient: rfc822; bob@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        b"Remote-MTA: dns; mx.example.net\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
        b"Last-Attempt-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    )
    assert bodies[2] == b"Subject: x\r\nTo: bob\r\n"


def test_the_standard_library_reads_a_notification() -> None:
    message = message_from_bytes(notification(ABOUT), policy=SMTP)
    assert message.get_content_type() == "multipart/report"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["To"] == "ann@example.org"
    assert not message.defects
    status = message.get_payload(1)
    assert [block.get("Action") for block in status.get_payload()] == [None, "failed"]  # type: ignore[union-attr]


def test_addresses_beyond_ascii_make_it_international() -> None:
    about = replace(ABOUT, failures=(replace(FAILURE, recipient=Address("büro", "example.net")),))
    message = notification(about)
    kinds = [child.content_type[1] for child in parse(message).children]
    assert kinds == ["plain", "global-delivery-status", "global-headers"]
    assert "Final-Recipient: utf-8; büro@example.net".encode() in message


def test_a_delay_says_so() -> None:
    message = notification(replace(ABOUT, failures=(replace(FAILURE, action="delayed", remote=""),)))
    assert b"Subject: Delayed mail" in message
    assert b"Diagnostic-Code: x-waxseal; 550" in message


@given(st.binary(max_size=500), st.text(max_size=200), st.text(max_size=50), st.text(max_size=50))
def test_hostile_words_add_no_part(original: bytes, diagnostic: str, remote: str, envelope_id: str) -> None:
    failure = replace(FAILURE, diagnostic=diagnostic, remote=remote)
    message = notification(replace(ABOUT, original=original, failures=(failure,), envelope_id=envelope_id))
    part = parse(message)
    assert len(part.children) == 3
    assert message.count(b"\n") == message.count(b"\r\n")
    assert max(map(len, message.split(b"\r\n"))) <= 998
    assert len([each for each in message.split(b"\r\n") if each.startswith(b"Action:")]) <= 1 + original.count(
        b"Action:"
    )


def test_a_long_header_is_cut_at_a_line() -> None:
    message = notification(replace(ABOUT, original=b"X-Long: " + b"y" * 60 + b"\r\n" + b"X: y\r\n" * MAX_RETURNED))
    assert len(message) < MAX_RETURNED + 3000
    copied = parse(message).children[2]
    assert message[: copied.body_end].endswith(b"\r\nX: y\r\n")


def test_a_sender_cannot_prepare_the_boundary() -> None:
    boundary = dict(parse(notification(ABOUT)).params)[b"boundary"]
    about = replace(ABOUT, original=b"X: y\r\n--" + boundary + b"--\r\n")
    assert len(parse(notification(about)).children) == 3
