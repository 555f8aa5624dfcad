"""The policy that the settings file stands for: all that decides what becomes of mail, and nothing that is secret."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ai.locate import MANIFEST, find_model
from node.anchor import audit, policy
from node.anchor.canonical_json import Json
from node.anchor.keys import LogKeys
from node.base.config import Settings
from node.base.config_places import Section
from node.base.log import get_log
from node.store import security_events
from node.store.database import Writing
from node.store.directory import directory_changes

log = get_log(__name__)
DAY = 86400

# Named one by one: a setting that is added later is published only once somebody has thought about it.
_DECIDING = {
    "smtp": ("max_message_mib", "max_recipients"),
    "classifier": ("enabled", "engine", "deadline_seconds", "junk_at", "refuse_at"),
    "rspamd": ("enabled", "deadline_seconds", "max_kib", "junk_at", "refuse_at"),
    "spamassassin": ("enabled", "deadline_seconds", "max_kib", "junk_at", "refuse_at"),
    "clamav": ("enabled", "deadline_seconds", "max_kib", "infected", "doubtful"),
    "language_model": ("enabled", "model", "deadline_seconds", "grey_zone", "raise_by", "lower_by", "per_hour"),
    "threat": ("enabled", "at", "action", "executable", "deadline_seconds"),
    "learning": ("enabled", "from_people"),
    "sending": (
        "enabled",
        "new_recipients_per_hour",
        "new_recipients_per_day",
        "max_recipients_per_hour",
        "max_recipients_per_day",
    ),
    "gates": ("ends_within_seconds", "grace_minutes"),
    "logins": ("block", "failures", "names", "first_minutes", "longest_hours"),
}


def begin(tx: Writing, settings: Settings, keys: LogKeys) -> None:
    """At the node's start: what the settings say now is in force, and the keys are these; changes become events."""
    policy.enforce(tx, of_settings(settings))
    audit.key_in_use(tx, "log", str(keys.log_key))
    audit.key_in_use(tx, "keeper", keys.sender)


def of_settings(settings: Settings) -> dict[str, Json]:
    """What a policy document holds under `settings`: the deciding ones, the model's name and hash, retention."""
    chosen: dict[str, Json] = {name: _chosen(getattr(settings, name), names) for name, names in _DECIDING.items()}
    return {**chosen, "model": _model(settings), "retention_days": _retention(settings)}


def _chosen(section: Section, names: tuple[str, ...]) -> Json:
    dumped: dict[str, Any] = section.model_dump(mode="json", include=set(names))
    return dumped


def _retention(settings: Settings) -> Json:
    return {
        "held_mail": settings.threat.hold_days,
        "security_events": security_events.KEPT_SECONDS // DAY,
        "directory_changes": directory_changes.KEPT_SECONDS // DAY,
        "salts_of_sent_mail": settings.audit.sent_days,
    }


def _model(settings: Settings) -> Json:
    """The model's own name and the hash of its manifest, which has the hashes of its files."""
    classifier = settings.classifier
    if not classifier.enabled:
        return None
    if classifier.engine == "torch":
        return {"checkpoint": Path(classifier.checkpoint or "").name}
    folder = find_model(classifier.model)
    if folder is None:
        return None
    try:
        content = (folder / MANIFEST).read_bytes()
        name = json.loads(content)["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:  # the classifier says what is wrong with it
        log.warning("policy.model_unknown", problem=str(error)[:200])
        return None
    return {"name": str(name)[:200], "sha256": hashlib.sha256(content).hexdigest()}
