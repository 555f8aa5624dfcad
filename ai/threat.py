"""How likely a message is made to rob, deceive or infect: rules over the view, joined with the model's classes.

Each rule that holds has a strength s between 0 and 1, and the model's worst class a probability p; they are joined as
independent causes (noisy-or):

    score = 1 - (1 - MODEL_WEIGHT * p) * product(1 - s)        at most MOST

So one strong sign suffices, weak ones add up, and nothing that speaks for a message makes up for an attachment that is
a program. What the node knows of the sender weakens the rules about people and words (`_trust`), never those on files.
The score is apart from spam: an unwanted advertisement has none, and an invoice with a program in it may look like ham.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import prod

from ai.archives import Clue
from ai.classes import Classes
from ai.context import NOTHING, Context
from ai.impostors import Claim, claims
from ai.lures import Lure, lures
from ai.parts import File
from ai.view import View
from ai.wording import FILE_PASSWORD, plain, says

MODEL_WEIGHT = 0.95
MODEL_NAMED = 0.5  # probability of a class from which it is told as a reason
MOST = 0.99
_SHOWN = 0.05  # weaker signs count, but are not told


class ThreatReason(StrEnum):
    """Every reason a threat score may carry. New ones are added here and nowhere else."""

    PROGRAM = "attachment is a program"
    PROGRAM_INSIDE = "archive holds a program"
    DISGUISED = "attachment hides its type"
    TRICKS = "archive made to harm whoever unpacks it"
    LOCKED = "locked archive with its password beside it"
    ENCRYPTED = "locked archive"
    DISK_IMAGE = "attachment is a disk image"
    MACROS = "document with macros"
    WEB_PAGE = "attachment is a web page"
    ACTIVE = "document that runs code when it is opened"
    LOGIN = "asks for this server's password elsewhere"
    ADMINISTRATION = "pretends to be the mail administration"
    OWN_NAME_INSIDE = "your own domain hidden inside another"
    OWN_LOOKALIKE = "domain looks like your own"
    BRAND_INSIDE = "well-known domain hidden inside another"
    BRAND_LOOKALIKE = "domain looks like a well-known one"
    BRAND_NAME = "well-known name, but from elsewhere"
    LINK = "link leads elsewhere than it says"
    NUMBER = "link to a bare IP address"
    MASKED = "link hides its target behind a name"
    COLLEAGUE = "colleague's name, but from outside"
    REPLY = "replies would leave for a free mail address"
    IMPOSTOR = "asks for money or haste as impostors do"
    OWN_SENDER = "claims to come from your own domain"
    MODEL_PHISHING = "text resembles phishing"
    MODEL_SCAM = "text resembles fraud"
    MODEL_MALWARE = "text resembles a lure to malware"


EXECUTABLE = frozenset((ThreatReason.PROGRAM, ThreatReason.PROGRAM_INSIDE))
"""Reasons that say of an attachment that it certainly runs."""


@dataclass(frozen=True, slots=True)
class Threat:
    """A threat score, 0 to 1, and why: reasons strongest first."""

    score: float = 0.0
    reasons: tuple[ThreatReason, ...] = ()

    @property
    def is_executable(self) -> bool:
        """An attachment certainly runs."""
        return any(reason in EXECUTABLE for reason in self.reasons)


NO_THREAT = Threat()

_FILE_SIGNS = {
    Clue.PROGRAM: (ThreatReason.PROGRAM, 0.95),
    Clue.PROGRAM_INSIDE: (ThreatReason.PROGRAM_INSIDE, 0.95),
    Clue.DISGUISED: (ThreatReason.DISGUISED, 0.75),
    Clue.TRICKS: (ThreatReason.TRICKS, 0.75),
    Clue.DISK_IMAGE: (ThreatReason.DISK_IMAGE, 0.5),
    Clue.MACROS: (ThreatReason.MACROS, 0.35),
    Clue.WEB_PAGE: (ThreatReason.WEB_PAGE, 0.25),
    Clue.ACTIVE: (ThreatReason.ACTIVE, 0.1),
}
_LURE_SIGNS = {
    Lure.LOGIN: (ThreatReason.LOGIN, 0.85),
    Lure.LOGIN_CLAIMED: (ThreatReason.ADMINISTRATION, 0.55),
    Lure.OWN_INSIDE: (ThreatReason.OWN_NAME_INSIDE, 0.8),
    Lure.OWN_LETTERS: (ThreatReason.OWN_LOOKALIKE, 0.85),
    Lure.OWN_SIMILAR: (ThreatReason.OWN_LOOKALIKE, 0.55),
    Lure.OWN_ENDING: (ThreatReason.OWN_LOOKALIKE, 0.15),
    Lure.BRAND_INSIDE: (ThreatReason.BRAND_INSIDE, 0.8),
    Lure.BRAND_LETTERS_NAMED: (ThreatReason.BRAND_LOOKALIKE, 0.92),
    Lure.BRAND_LETTERS: (ThreatReason.BRAND_LOOKALIKE, 0.6),
    Lure.BRAND_SIMILAR_NAMED: (ThreatReason.BRAND_LOOKALIKE, 0.65),
    Lure.BRAND_SIMILAR: (ThreatReason.BRAND_LOOKALIKE, 0.04),
    Lure.BRAND_NAME: (ThreatReason.BRAND_NAME, 0.2),
    Lure.BRAND_NAME_FREE: (ThreatReason.BRAND_NAME, 0.5),
    Lure.LINK_OWN: (ThreatReason.LINK, 0.6),
    Lure.LINK_BRAND: (ThreatReason.LINK, 0.5),
    Lure.LINK_MASKED: (ThreatReason.MASKED, 0.6),
    Lure.LINK_NUMBER: (ThreatReason.NUMBER, 0.3),
}
_CLAIM_SIGNS = {
    Claim.COLLEAGUE: (ThreatReason.COLLEAGUE, 0.35),
    Claim.COLLEAGUE_KNOWN: (ThreatReason.COLLEAGUE, 0.1),
    Claim.REPLY: (ThreatReason.REPLY, 0.5),
    Claim.REQUEST: (ThreatReason.IMPOSTOR, 0.8),
    Claim.REQUEST_ALONE: (ThreatReason.IMPOSTOR, 0.2),
    Claim.OWN_SENDER: (ThreatReason.OWN_SENDER, 0.35),
}

_Sign = tuple[ThreatReason, float]


def assess(
    view: View, context: Context = NOTHING, classes: Classes | None = None, files: tuple[File, ...] | None = None
) -> Threat:
    """Judge a message by rules, and by the model's classes where there is a model. Bounded; never raises.

    Args:
        files: the attachments, where more of the message was looked at than the view shows.
    """
    classes = classes or Classes()
    trust = _trust(context)
    strengths: dict[ThreatReason, float] = {}
    signs = [*_files(view, view.files if files is None else files)]
    signs += [(reason, strength * trust) for reason, strength in _people(view, context)]
    for reason, strength in signs:
        strengths[reason] = max(strength, strengths.get(reason, 0.0))
    model = MODEL_WEIGHT * min(1.0, max(0.0, classes.worst_threat))
    score = min(MOST, 1 - (1 - model) * prod(1 - strength for strength in strengths.values()))
    told = {reason: strength for reason, strength in (*strengths.items(), *_model(classes)) if strength >= _SHOWN}
    return Threat(round(score, 4), tuple(sorted(told, key=lambda reason: -told[reason])))


def _trust(context: Context) -> float:
    """By how much what is known of the sender weakens rules about people and words. A thief of a mailbox writes into
    running conversations, so nothing weakens them to nothing."""
    trust = 1.0
    if context.reply_to_ours:
        trust *= 0.5
    elif context.first_contact is False:
        trust *= 0.7
    return trust


def _people(view: View, context: Context) -> Iterator[_Sign]:
    for lure in lures(view, context):
        yield _LURE_SIGNS[lure]
    for claim in claims(view, context):
        yield _CLAIM_SIGNS[claim]


def _files(view: View, files: tuple[File, ...]) -> Iterator[_Sign]:
    for file in files:
        for clue in file.clues:
            if clue in _FILE_SIGNS:
                yield _FILE_SIGNS[clue]
    if any(_is_locked(file) for file in files):
        told = says(plain(f"{view.subject} {view.text}"), FILE_PASSWORD)
        yield (ThreatReason.LOCKED, 0.45) if told else (ThreatReason.ENCRYPTED, 0.15)


def _is_locked(file: File) -> bool:
    return Clue.ENCRYPTED in file.clues


def _model(classes: Classes) -> Iterator[_Sign]:
    for reason, probability in (
        (ThreatReason.MODEL_PHISHING, classes.phishing),
        (ThreatReason.MODEL_SCAM, classes.scam),
        (ThreatReason.MODEL_MALWARE, classes.malware),
    ):
        if probability >= MODEL_NAMED:
            yield reason, MODEL_WEIGHT * probability
