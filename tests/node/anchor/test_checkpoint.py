"""Signed notes, checkpoints and tlog-proofs: published vectors, round trips, and every spelling that must fail."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor import checkpoint, keys, note, proof
from node.anchor.checkpoint import Checkpoint
from node.anchor.note import NoteError, NoteKey, NoteSigner
from node.base.errors import ConfigError

# From the documentation of golang.org/x/mod/sumdb/note, the reference implementation.
PETER = NoteKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_NOTE = (
    PETER_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
# From https://c2sp.org/tlog-checkpoint.
SOFA = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
SIGNER = NoteSigner("waxseal.test/log", b"\x07" * 32)
HEAD = Checkpoint("waxseal.test/log", 5, bytes(range(32)))


def test_the_reference_note_verifies_and_is_signed_alike() -> None:
    assert note.verify(PETER_NOTE, PETER) == PETER_TEXT
    assert NoteSigner("PeterNeumann", PETER_SEED).sign(PETER_TEXT) == PETER_NOTE
    assert NoteSigner("PeterNeumann", PETER_SEED).key == PETER
    assert str(PETER) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_signatures_of_unknown_keys_are_ignored_but_never_enough() -> None:
    assert note.verify(PETER_NOTE + ENOCH, PETER) == PETER_TEXT
    with pytest.raises(NoteError, match="not signed by PeterNeumann"):
        note.verify(PETER_TEXT + "\n" + ENOCH, PETER)


def test_the_published_checkpoint_reads() -> None:
    head = checkpoint.read(SOFA)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert head.text + SOFA[len(head.text) :] == SOFA


def test_a_checkpoint_survives_signing() -> None:
    assert checkpoint.verify(checkpoint.sign(HEAD, SIGNER), SIGNER.key) == HEAD


SIGNED = checkpoint.sign(HEAD, SIGNER)


@given(st.integers(0, len(SIGNED.encode()) - 1), st.integers(1, 255))
def test_no_changed_byte_survives(place: int, flip: int) -> None:
    data = bytearray(SIGNED.encode())
    data[place] ^= flip
    with pytest.raises(NoteError):
        checkpoint.verify(data.decode("utf-8", "surrogateescape"), SIGNER.key)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (checkpoint.read, checkpoint.parse, note.split, proof.parse, NoteKey.parse):
        with contextlib.suppress(NoteError):
            parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n5\n",
        "log\n5\n" + "A" * 43 + "=",  # no newline at the end
        "\n5\n" + "A" * 43 + "=\n",
        "log\n05\n" + "A" * 43 + "=\n",
        "log\n+5\n" + "A" * 43 + "=\n",
        "log\n٥\n" + "A" * 43 + "=\n",  # a digit to str.isdigit, not to the format
        "log\n9223372036854775808\n" + "A" * 43 + "=\n",
        "log\n5\n" + "A" * 42 + "B=\n",  # the same 32 bytes in another spelling
        "log\n5\n" + "A" * 44 + "\n",  # 33 bytes
        "log\n5\n" + "A" * 43 + "=\n\nextension\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        checkpoint.parse(text)


def test_the_last_byte_of_a_root_has_one_spelling() -> None:
    root = base64.b64encode(bytes(32)).decode()
    assert root.endswith("A=")
    with pytest.raises(NoteError, match="canonical"):
        checkpoint.parse(f"log\n5\n{root[:-2]}B=\n")


def test_a_checkpoint_of_another_log_is_refused() -> None:
    """The same key bytes under another name are another key; and a foreign origin under our name is refused as well."""
    with pytest.raises(NoteError, match="not signed by"):
        checkpoint.verify(SIGNED, NoteKey("other.test/log", SIGNER.key.public))
    foreign = SIGNER.sign(Checkpoint("other.test/log", 5, bytes(32)).text)
    with pytest.raises(NoteError, match=r"about other\.test"):
        checkpoint.verify(foreign, SIGNER.key)
    with pytest.raises(ValueError, match="own checkpoints"):
        checkpoint.sign(Checkpoint("other.test/log", 5, bytes(32)), SIGNER)


def test_a_note_with_too_many_signatures_or_control_characters_is_refused() -> None:
    with pytest.raises(NoteError, match="more than"):
        note.split(PETER_NOTE + ENOCH * 100)
    for wrong in ("\r", "\x00", "\x1b"):
        with pytest.raises(NoteError, match="control"):
            note.split(wrong + PETER_NOTE)
    with pytest.raises(ValueError, match="control"):
        SIGNER.sign("text\r\n")


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # id
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",  # key
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # a witness' key
        "PeterNeumann",
    ],
)
def test_a_mistyped_key_is_noticed(text: str) -> None:
    with pytest.raises(NoteError):
        NoteKey.parse(text)


def test_a_proof_survives_its_text() -> None:
    whole = proof.Proof(3, (bytes(32), b"\x01" * 32), SIGNED)
    assert proof.parse(whole.text) == whole
    with_extra = whole.text.replace("\nindex", "\nextra AAAA\nindex", 1)
    assert proof.parse(with_extra) == whole
    alone = proof.Proof(0, (), SIGNED)
    assert proof.parse(alone.text) == alone


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tlog-proof@v1", "tlog-proof@v2"),
        ("index 3", "index 03"),
        ("index 3\n", ""),
        ("index 3", "index 3\nAAAA"),
        ("\n\nwaxseal", "\nwaxseal"),
        ("index 3\n", "index 3\n" + ("A" * 43 + "=\n") * 64),
    ],
)
def test_malformed_proofs_are_refused(old: str, new: str) -> None:
    with pytest.raises(NoteError):
        proof.parse(proof.Proof(3, (bytes(32),), SIGNED).text.replace(old, new, 1))


def test_a_key_file_is_made_once_and_for_the_node_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "log"
    seed = keys.load_or_create(path)
    assert len(seed) == 32
    assert keys.load_or_create(path) == seed
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["log"]


def test_a_key_file_open_to_others_or_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    keys.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        keys.load_or_create(path)
    path.chmod(0o600)
    path.write_text("00ff\n")
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        keys.load_or_create(path)
