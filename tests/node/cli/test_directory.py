"""domain set, alias, group, share, quota, tenant: the directory by command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture
def run(waxseal: Call, place: Any) -> Call:
    """A command on a node that serves example.test with two people in it."""

    def call(*arguments: object) -> Any:
        return waxseal(*arguments, "-c", place.config)

    assert call("domain", "add", "example.test").code == 0
    for name in ("ann", "bob"):
        assert call("account", "add", f"{name}@example.test").code == 0
    return call


def test_a_domains_settings(run: Call) -> None:
    assert run("domain", "show").out == "example.test\t+\tno-tag-folders\t-\t-\n"
    said = run("domain", "set", "example.test", "--separator", "-", "--tag-folders", "--catch-all", "Bob@example.test")
    assert said.out == "example.test\t-\ttag-folders\tbob@example.test\t-\n"
    assert run("domain", "set", "example.test", "--catch-all", "").out == "example.test\t-\ttag-folders\t-\t-\n"
    assert "separator is one of" in run("domain", "set", "example.test", "--separator", "ab").err
    assert "nobody here" in run("domain", "set", "example.test", "--catch-all", "zoe@example.test").err
    assert "waxseal domain add" in run("domain", "set", "nowhere.test", "--tag-folders").err


def test_a_domain_goes(run: Call) -> None:
    assert "--with-people" in run("domain", "remove", "example.test").err
    assert run("domain", "remove", "example.test", "--with-people").code == 0
    assert run("domain", "list").out == ""


def test_aliases(run: Call) -> None:
    said = run("alias", "add", "info@example.test", "ann@example.test")
    assert (said.code, said.out) == (0, "mail for info@example.test goes to ann@example.test\n")
    run("alias", "add", "old@example.test", "ann@example.test", "--no-sending")
    assert run("alias", "list").out == (
        "info@example.test\tann@example.test\tsends\nold@example.test\tann@example.test\treceives\n"
    )
    assert "already" in run("alias", "add", "Info@example.test", "bob@example.test").err
    assert "alias or a group" in run("account", "add", "info@example.test").err
    assert run("alias", "remove", "info@example.test").code == 0
    assert "no alias" in run("alias", "remove", "info@example.test").err


def test_groups(run: Call) -> None:
    assert "waxseal group add-member" in run("group", "add", "team@example.test", "--name", "Team", "--inside").out
    assert run("group", "add-member", "team@example.test", "ann@example.test", "--sends").code == 0
    assert run("group", "add-member", "team@example.test", "bob@example.test").code == 0
    assert run("group", "list").out == "team@example.test\tTeam\tinside\tann@example.test*,bob@example.test\n"
    assert "round for ever" in run("group", "add-member", "team@example.test", "team@example.test").err
    assert run("group", "remove-member", "team@example.test", "ann@example.test").code == 0
    assert "no member" in run("group", "remove-member", "team@example.test", "ann@example.test").err
    assert run("group", "remove", "team@example.test").code == 0
    assert run("group", "list").out == ""


def test_shares(run: Call) -> None:
    said = run("share", "add", "bob@example.test", "ann@example.test", "--sends")
    assert "bob@example.test/ann@example.test" in said.out
    assert run("share", "list").out == "bob@example.test\tann@example.test\n"
    assert "own" in run("share", "add", "bob@example.test", "bob@example.test").err
    assert run("share", "remove", "bob@example.test", "ann@example.test").code == 0
    assert "not shared" in run("share", "remove", "bob@example.test", "ann@example.test").err


def test_quotas(run: Call) -> None:
    assert run("quota", "set", "ann@example.test", "1G", "--messages", "10").code == 0
    assert run("quota", "set", "example.test", "5k", "--each").code == 0
    assert run("quota", "set", "example.test", "2T").code == 0
    assert run("quota", "show").out.splitlines() == [
        "ann@example.test\tperson\t1073741824 octets, 10 messages",
        "example.test\tdomain\t2199023255552 octets, any number of messages",
        "example.test\teach\t5120 octets, any number of messages",
    ]
    assert run("quota", "show", "bob@example.test").out == (
        "bob@example.test: 0 octets, 0 messages; of 5120 octets, any number of messages\n"
    )
    assert "no size" in run("quota", "set", "ann@example.test", "much").words
    assert run("quota", "set", "ann@example.test", "0").code == 0
    assert "no quota" in run("quota", "set", "ann@example.test", "0").err


def test_tenants(run: Call) -> None:
    assert run("tenant", "add", "acme").code == 0
    assert "no tenant" in run("domain", "add", "acme.test", "--tenant", "amce").err
    assert run("domain", "add", "acme.test", "--tenant", "acme").code == 0
    assert "no account" in run("tenant", "add-admin", "acme", "ann@example.test").err
    assert run("tenant", "give", "acme", "example.test").code == 0
    assert run("tenant", "add-admin", "acme", "ann@example.test").code == 0
    assert run("tenant", "list").out == "acme\tacme.test,example.test\tann@example.test\n"
    assert "has domains" in run("tenant", "remove", "acme").err
    assert run("tenant", "remove-admin", "acme", "ann@example.test").code == 0
    assert "no tenant" in run("tenant", "deduplicate", "amce").err
    assert run("tenant", "deduplicate", "acme").out == "equal attachments of acme are kept once\n"
    assert run("tenant", "deduplicate", "acme").out == "equal attachments of acme are kept once already\n"
    assert run("tenant", "deduplicate", "acme", "--off").out == "equal attachments of acme are kept apart\n"
    assert run("tenant", "deduplicate", "").out == "equal attachments of the node are kept once\n"
    for name in ("example.test", "acme.test"):
        assert run("tenant", "give", "", name).code == 0
    assert run("tenant", "remove", "acme").code == 0
    kinds = [line.split("\t")[3] for line in run("tenant", "changes").out.splitlines()]
    assert kinds[0] == "tenant-removed"
    assert "admin-added" in kinds
