"""The log's keys: kept to the node, replaced without a gap, and never forgotten."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from node.anchor import checkpoint, keys
from node.anchor.checkpoint import Checkpoint
from node.anchor.keys import RETIRED, open_keys, rotate
from node.anchor.note import NoteError, NoteSigner, split
from node.base.errors import ConfigError

HEAD = Checkpoint("waxseal.test/log", 3, bytes(32))
DAY = 86400


def test_a_new_key_signs_and_the_old_one_signs_along(tmp_path: Path) -> None:
    first = open_keys(tmp_path, "waxseal.test")
    second = rotate(tmp_path, "waxseal.test", 30 * DAY)
    assert second.log_key != first.log_key
    assert second.log_keys == (second.log_key, first.log_key)
    assert second.chain_key == first.chain_key
    assert [signer.key for signer in second.signers] == [second.log_key, first.log_key]
    signed = checkpoint.sign(HEAD, *second.signers)
    assert [name for name, _ in split(signed)[1]] == [HEAD.origin] * 2
    for key in second.log_keys:
        assert checkpoint.verify(signed, key) == HEAD
    (retired,) = second.retired
    assert retired.until - retired.since == 30 * DAY
    assert open_keys(tmp_path, "waxseal.test") == second
    third = rotate(tmp_path, "waxseal.test", DAY)
    assert third.log_keys == (third.log_key, second.log_key, first.log_key)
    assert [signer.key for signer in third.signers] == list(third.log_keys)


def test_after_the_overlap_the_old_secret_goes_and_the_key_stays_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_keys(tmp_path, "waxseal.test")
    old = checkpoint.sign(HEAD, *first.signers)
    running = rotate(tmp_path, "waxseal.test", DAY)
    secret = tmp_path / f"log-{first.log_key.id.hex()}.key"
    assert secret.stat().st_mode & 0o777 == 0o600
    later = time.time() + DAY + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert [signer.key for signer in running.signers] == [running.log_key]  # a node that was not started anew
    after = open_keys(tmp_path, "waxseal.test")
    assert not secret.exists()
    assert after.former == ()
    assert after.log_keys == (running.log_key, first.log_key)
    assert checkpoint.verify(old, after.log_keys[1]) == HEAD
    with pytest.raises(NoteError, match="not signed by"):
        checkpoint.verify(checkpoint.sign(HEAD, *after.signers), first.log_key)


def test_a_stolen_key_is_replaced_at_once(tmp_path: Path) -> None:
    stolen = open_keys(tmp_path, "waxseal.test")
    after = rotate(tmp_path, "waxseal.test", 0)
    assert [signer.key for signer in after.signers] == [after.log_key]
    assert after.retired[0].key == stolen.log_key
    assert stolen.signer.seed.hex() not in "".join(path.read_text() for path in tmp_path.iterdir())


@pytest.mark.parametrize("step", range(6))
def test_killed_at_any_step_one_key_is_the_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Each call that changes a name is one after which the process may be gone."""
    first, done = open_keys(tmp_path, "waxseal.test"), 0

    class Killed(BaseException):
        pass

    def counted(real: object) -> object:
        def call(*args: object) -> object:
            nonlocal done
            if done == step:
                raise Killed
            done += 1
            return real(*args)  # type: ignore[operator]

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", counted(os.link))
        patch.setattr(Path, "replace", counted(Path.replace))
        patch.setattr(os, "fsync", counted(os.fsync))
        with pytest.raises(Killed):
            rotate(tmp_path, "waxseal.test", DAY)
    after = open_keys(tmp_path, "waxseal.test")
    assert first.log_key in after.log_keys
    assert after.signers[-1] == first.signer
    again = rotate(tmp_path, "waxseal.test", DAY)
    assert again.log_key not in after.log_keys
    assert {key.public for key in after.log_keys} < {key.public for key in again.log_keys}
    assert len(set(again.log_keys)) == len(again.log_keys)


@pytest.mark.parametrize("text", ["nonsense", "waxseal.test/log+00000000+AQ== 1 2", "a b c"])
def test_a_damaged_list_is_an_error_with_advice(tmp_path: Path, text: str) -> None:
    open_keys(tmp_path, "waxseal.test")
    (tmp_path / RETIRED).write_text(text)
    with pytest.raises(ConfigError, match=r"damaged .*: restore it from a backup"):
        open_keys(tmp_path, "waxseal.test")


def test_the_list_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_RETIRED", 2)
    for _ in range(2):
        rotate(tmp_path, "waxseal.test", 0)
    with pytest.raises(ConfigError, match="a log has no more"):
        rotate(tmp_path, "waxseal.test", 0)


def test_somebody_elses_key_signs_no_checkpoint_of_ours() -> None:
    ours, other = NoteSigner("waxseal.test/log", bytes(32)), NoteSigner("other.test/log", bytes(32))
    with pytest.raises(ValueError, match="its own checkpoints only"):
        checkpoint.sign(HEAD, ours, other)
