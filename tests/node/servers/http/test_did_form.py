"""Logging in with a DID without a script: a page with what to sign, and a form for the proof."""

from __future__ import annotations

import re
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from identity.did import keys, self_contained
from identity.did.syntax import Did, parse
from identity.did_login import MAX_LENGTH
from identity.jose import Signer
from node.store import accounts

pytestmark = pytest.mark.anyio
FORM = {"content-type": "application/x-www-form-urlencoded"}


async def somebody(web: Any) -> Signer:
    """A DID that opens Alice's account."""
    key = OKPKey.generate_key("Ed25519")
    public = {name: value for name, value in key.as_dict(private=False).items() if name != "kid"}
    did = parse(self_contained.key_did(keys.from_jwk(public)))
    assert isinstance(did, Did)
    await web.database.write(lambda tx: accounts.bind(tx, web.alice.id, str(did)))
    return Signer(did, did.id, key)


async def proof(web: Any, client: Any, signer: Signer) -> str:
    page = await client.post("/auth/did/nonce", headers=FORM)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    nonce = re.search(r'"nonce": "([0-9a-f]{32})"', page.text)
    assert nonce, page.text
    did = str(signer.did)
    claims = {"iss": did, "sub": did, "aud": web.origin, "nonce": nonce[1]}
    return signer.sign(claims, "JWT")


async def test_a_pasted_proof_opens_the_account(web: Any) -> None:
    signer = await somebody(web)
    async with web.client() as client:
        signed = await proof(web, client, signer)
        answer = await client.post("/auth/did/verify", data={"proof": f"  {signed[:70]}\r\n{signed[70:]}\n"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
        assert str(signer.did) in (await client.get("/account")).text


async def test_what_is_no_proof_gets_a_page_that_says_so(web: Any) -> None:
    signer = await somebody(web)
    async with web.client() as client:
        signed = await proof(web, client, signer)
        for text in ("", "nonsense", "x" * (MAX_LENGTH + 1), signed[:-4] + "AAAA"):
            answer = await client.post("/auth/did/verify", data={"proof": text})
            assert answer.status_code == 403
            assert "You were not logged in" in answer.text
            assert "session" not in answer.headers.get("set-cookie", "")
        assert (await client.post("/auth/did/verify", headers=FORM)).status_code == 403
        assert (await client.post("/auth/did/verify", data={"proof": "x" * 70_000})).status_code == 413


async def test_a_proof_pasted_into_another_browser_opens_nothing(web: Any) -> None:
    signer = await somebody(web)
    async with web.client() as one, web.client() as other:
        signed = await proof(web, one, signer)
        assert (await other.post("/auth/did/verify", data={"proof": signed})).status_code == 400
        await proof(web, other, signer)
        assert "already used" in (await other.post("/auth/did/verify", data={"proof": signed})).text
