"""What `waxseal doctor` says about the witnesses of the log. No checkpoint is shown to them."""

from __future__ import annotations

from collections.abc import Iterator

import trio

from node.anchor import add_checkpoint
from node.anchor.cosignature import CosignatureKey
from node.anchor.note import NoteError
from node.base.config import Settings
from node.base.config_witness import AskedWitness
from node.base.errors import ConfigError, WaxsealError
from node.cli.doctor_chains import Answer
from node.cli.settings import with_database
from node.net.web_service import WebService
from node.service.folders import Folders
from node.service.witnessing import followed
from node.store import leaves, witnesses
from node.store.database import Database

PATIENCE_SECONDS = 10.0


def ask_witnesses(settings: Settings) -> Iterator[Answer]:
    """Look whether each witness answers as one, and how far it has cosigned; and at the keys of logs we witness."""
    for witness in settings.witness.ask:
        what = f"witness {witness.name}"
        try:
            CosignatureKey.parse(witness.key)
        except NoteError as error:
            yield Answer(what, False, str(error))
            continue
        yield Answer(what, *trio.run(_reach, witness))
        if Folders(settings.data).database.exists():
            yield _cosigned(settings, witness, what)
    if settings.witness.logs:
        try:
            origins = sorted({key.name for key in followed(settings)})
            yield Answer("witness for", True, f"{', '.join(origins)}; `waxseal log-key --witness` prints the key")
        except ConfigError as error:
            yield Answer("witness for", False, str(error))


async def _reach(witness: AskedWitness) -> tuple[bool | None, str]:
    """A witness refuses an empty request with 400 (C2SP tlog-witness); nothing is logged by that."""
    try:
        with trio.fail_after(PATIENCE_SECONDS):
            async with WebService.open(witness.url, "it") as service:
                answer = await service.exchange("POST", add_checkpoint.PATH, add_checkpoint.MAX_ANSWER, b"")
    except trio.TooSlowError:
        return None, f"does not answer within {PATIENCE_SECONDS:.0f} s; its cosignatures are missing, nothing else"
    except WaxsealError as error:
        return None, f"{error}; its cosignatures are missing, nothing else"
    if answer.status != 400:
        return None, f"answers with HTTP status {answer.status} where a witness says 400: is the address its prefix?"
    return True, "answers as a witness"


def _cosigned(settings: Settings, witness: AskedWitness, what: str) -> Answer:
    async def read(database: Database) -> tuple[int, int]:
        newest = await database.read(leaves.latest_checkpoint)
        return newest.size if newest else 0, await database.read(lambda tx: witnesses.last_size(tx, witness.name))

    size, done = with_database(settings, read)
    if size and done < size:
        return Answer(what, None, f"has cosigned {done} of {size} entries; see witness.silent in the log when it lasts")
    return Answer(what, True, f"has cosigned all {size} entries")
