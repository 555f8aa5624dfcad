"""iprev: names that lead back, names that do not, and trouble on the way."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from node.mailauth.iprev import check_address, method_result
from node.mailauth.result import Result

from .conftest import Table

pytestmark = pytest.mark.anyio
ADDRESS = "192.0.2.3"
REVERSE = "3.2.0.192.in-addr.arpa"


@pytest.mark.parametrize(
    ("records", "result", "name"),
    [
        ({REVERSE: {"PTR": ["a.test", "Mail.Test."]}, "mail.test": {"A": [ADDRESS]}}, Result.PASS, "mail.test"),
        ({REVERSE: {"PTR": ["mail.test"]}, "mail.test": {"A": ["192.0.2.4"]}}, Result.FAIL, ""),
        ({REVERSE: {"PTR": ["mail.test"]}, "mail.test": {"AAAA": ["2001:db8::3"]}}, Result.FAIL, ""),
        ({REVERSE: {"PTR": ["a..b", "", "x" * 64]}}, Result.FAIL, ""),
        ({REVERSE: {"PTR": ["gone.test"]}, "gone.test": {"TIMEOUT": []}}, Result.TEMPERROR, ""),
        ({REVERSE: {"TIMEOUT": []}}, Result.TEMPERROR, ""),
        ({REVERSE: {"PTR": []}}, Result.PERMERROR, ""),
        ({}, Result.PERMERROR, ""),
    ],
)
async def test_what_an_address_is_called(
    records: dict[str, dict[str, list[object]]], result: Result, name: str
) -> None:
    for client in (ADDRESS, f"::ffff:{ADDRESS}"):
        answer = await check_address(Table(records), ip_address(client))
        assert (answer.result, answer.name) == (result, name)
        assert bool(answer.problem) is (result is not Result.PASS)


async def test_ipv6() -> None:
    ip = ip_address("2001:db8::3")
    table = Table({ip.reverse_pointer: {"PTR": ["six.test"]}, "six.test": {"AAAA": ["2001:DB8:0::3"]}})
    answer = await check_address(table, ip)
    assert answer.result is Result.PASS
    shown = method_result(answer, str(ip))
    assert (shown.method, shown.properties, shown.comment) == ("iprev", (("policy.iprev", "2001:db8::3"),), "six.test")


async def test_a_thousand_names_are_ten_questions() -> None:
    names: list[object] = [f"n{number}.test" for number in range(1000)]
    table = Table({REVERSE: {"PTR": names}, "n500.test": {"A": [ADDRESS]}})
    assert (await check_address(table, ip_address(ADDRESS))).result is Result.FAIL
    assert len(table.asked) == 11
