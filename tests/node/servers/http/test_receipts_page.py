"""The page for receipts: for who is logged in, of messages they hold, mailed to themselves alone."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

DIGEST = bytes(range(32))
PATH = f"/receipts/{DIGEST.hex()}"


async def test_strangers_see_no_page_and_mail_nothing(web: Any) -> None:
    async with web.client() as client:
        assert (await client.get("/receipts")).status_code == 401
        assert (await client.get(f"/receipts?sha256={DIGEST.hex()}")).status_code == 401
        assert (await client.post(f"{PATH}/mail")).status_code == 401
    assert web.mailed == []


async def test_a_person_is_led_to_the_receipt_without_scripts(web: Any) -> None:
    web.receipts[web.alice.id, DIGEST] = {"leaf": 7}
    async with web.client() as client:
        await web.log_in(client)
        page = await client.get("/receipts")
        assert page.status_code == 200
        assert 'name="sha256"' in page.text
        led = await client.get(f"/receipts?sha256={DIGEST.hex().upper()}", follow_redirects=True)
        assert led.json() == {"leaf": 7}
        assert led.headers["content-disposition"] == f'attachment; filename="{DIGEST.hex()[:16]}.receipt.json"'
        assert led.headers["cache-control"] == "no-store"  # the salt is in it
        for wrong in ("x", "0" * 63, "//elsewhere.test", "%0d%0aSet-Cookie:x"):
            answer = await client.get(f"/receipts?sha256={wrong}")
            assert (answer.status_code, "64 digits" in answer.text) == (400, True)


async def test_a_receipt_is_mailed_to_its_owner(web: Any) -> None:
    web.receipts[web.alice.id, DIGEST] = {"leaf": 7}
    async with web.client() as client:
        await web.log_in(client)
        sent = await client.post(f"{PATH}/mail", headers={"origin": web.origin})
        assert (sent.status_code, sent.headers["location"]) == (303, "/receipts?mailed=1")
        assert "lies in your inbox" in (await client.get("/receipts?mailed=1")).text
        said = await client.post(f"{PATH}/mail", headers={"accept": "application/json"})
        assert said.json() == {"mailed": "alice@waxseal.test"}
        assert (await client.post(f"{PATH}/mail", headers={"origin": "https://evil.test"})).status_code == 403
        for other in ("00" * 32, "zz"):
            assert (await client.post(f"/receipts/{other}/mail")).status_code == 404
        assert (await client.get(f"{PATH}/mail")).status_code == 405
    assert web.mailed == [(web.alice.id, DIGEST)] * 2
