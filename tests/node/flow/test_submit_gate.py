"""A submission session outlives neither its app password nor the token before its mailbox."""

from __future__ import annotations

from typing import Any

import pytest

from node.auth.app_passwords import AppPasswords
from node.auth.gate import Gate
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.auth.guests import Guests
from node.flow.submit import Submit
from node.store import accounts, gates
from node.store.accounts import Account

pytestmark = pytest.mark.anyio

KNOWN = "did:web:member.example"


@pytest.fixture
def submit(house: Any) -> Submit:
    database = house.premises.database
    keeper = Doorkeeper(database, Evaluator({}), 0)
    return Submit(house.premises, Gate(database, keeper), lambda: None, guests=Guests(database, keeper, 60))


async def test_a_revoked_app_password_sends_nothing_more(house: Any, submit: Submit) -> None:
    passwords = AppPasswords(house.premises.database)
    made = await passwords.create(house.ann, "phone", {"smtp"})
    session = house.session()
    session.account = await submit.authenticate(session, house.ann.address, made.password)
    assert isinstance(session.account, Account)
    assert (await submit.sender(session, house.transaction(sender=house.ann.address))).code == 250
    await passwords.revoke(house.ann, made.row.id)
    reply = await submit.sender(session, house.transaction(sender=house.ann.address))
    assert (reply.code, reply.enhanced) == (535, "5.7.1")


async def test_a_gate_that_closes_ends_sending(house: Any, submit: Submit) -> None:
    database = house.premises.database
    made = await AppPasswords(database).create(house.ann, "phone", {"smtp"})
    rule = f'{{"did":"{KNOWN}"}}'
    await database.write(lambda tx: gates.put(tx, "login", house.ann.address, rule, "finalized"))
    session = house.session()
    refused = await submit.authenticate(session, house.ann.address, made.password)
    assert not isinstance(refused, Account)
    assert (refused.code, refused.enhanced) == (535, "5.7.1")
    await database.write(lambda tx: accounts.bind(tx, house.ann.id, KNOWN))
    session.account = await submit.authenticate(session, house.ann.address, made.password)
    assert isinstance(session.account, Account)
    assert (await submit.sender(session, house.transaction(sender=house.ann.address))).code == 250
    await database.write(lambda tx: accounts.unbind(tx, house.ann.id, KNOWN))
    assert (await submit.sender(session, house.transaction(sender=house.ann.address))).code == 535


async def test_what_cannot_be_told_is_temporary(house: Any, submit: Submit) -> None:
    database = house.premises.database
    made = await AppPasswords(database).create(house.ann, "phone", {"smtp"})
    await database.write(lambda tx: gates.put(tx, "login", house.ann.address, '{"group":"staff"}', "finalized"))
    refused = await submit.authenticate(house.session(), house.ann.address, made.password)
    assert not isinstance(refused, Account)
    assert (refused.code, refused.enhanced) == (454, "4.7.0")
