"""DKIM keys in files: made whole, kept closed, replaced with an overlap."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from node.base.errors import ConfigError
from node.store import dkim_keys

DOMAIN, DAY = "house.example", 86400


def test_the_first_pair_is_made_once_and_for_the_node_alone(tmp_path: Path) -> None:
    now = int(time.time())
    made = dkim_keys.load_or_make(tmp_path, DOMAIN, now)
    again = dkim_keys.load_or_make(tmp_path, DOMAIN, now + 5)
    assert sorted(one.key.algorithm for one in made) == ["ed25519-sha256", "rsa-sha256"]
    assert [one.key.record for one in again] == [one.key.record for one in made]
    assert all(one.signs(now) for one in again)
    files = sorted((tmp_path / DOMAIN).iterdir())
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
    assert all(path.stem[1:9] == time.strftime("%Y%m%d", time.gmtime()) for path in files)


def test_a_new_pair_takes_over_in_its_time_and_the_old_records_stay_a_while(tmp_path: Path) -> None:
    now = int(time.time())
    old = dkim_keys.make(tmp_path, DOMAIN, now)
    keys = dkim_keys.make(tmp_path, DOMAIN, now + 2 * DAY)
    assert len(keys) == 4
    assert {one.key.selector for one in keys if one.signs(now)} == {one.key.selector for one in old}
    later = {one.key.selector for one in keys if one.signs(now + 2 * DAY)}
    assert len(later) == 2
    assert not later & {one.key.selector for one in old}
    assert all(one.is_published(now + 8 * DAY) for one in keys)
    assert dkim_keys.clear(tmp_path, DOMAIN, now + 8 * DAY) == []
    assert set(dkim_keys.clear(tmp_path, DOMAIN, now + 9 * DAY)) == {one.key.selector for one in old}
    assert len(dkim_keys.load(tmp_path, DOMAIN)) == 2


@pytest.mark.parametrize("text", ["", "# signs from 5\n", "-----BEGIN PRIVATE KEY-----\n", "# signs from 5\nrubbish"])
def test_a_broken_key_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / DOMAIN / "r20260101.pem"
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="waxseal dkim rotate"):
        dkim_keys.load(tmp_path, DOMAIN)


def test_an_open_key_is_told(tmp_path: Path) -> None:
    dkim_keys.make(tmp_path, DOMAIN, 0)
    next((tmp_path / DOMAIN).glob("e*.pem")).chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        dkim_keys.load(tmp_path, DOMAIN)


def test_no_keys_and_what_is_none(tmp_path: Path) -> None:
    assert dkim_keys.load(tmp_path, DOMAIN) == []
    (tmp_path / DOMAIN).mkdir()
    (tmp_path / DOMAIN / ".r20260101.pem.0123").write_text("a draft that a crash left")
    (tmp_path / DOMAIN / "notes.pem").write_text("an administrator's own")
    assert dkim_keys.load(tmp_path, DOMAIN) == []
