"""Why a message was judged as it was, in words from a closed list."""

from __future__ import annotations

from enum import StrEnum

from ai.view import View


class Reason(StrEnum):
    """Every reason a verdict may carry. New ones are added here and nowhere else."""

    TEXT = "text resembles spam"
    NAME = "display name shows another address"
    REPLY = "replies go to another domain"
    LINK = "link leads elsewhere than it says"
    NUMBER = "link to a bare IP address"
    PUNYCODE = "international look-alike domain possible"
    SHORTENER = "shortened link"
    HIDDEN = "hidden text"
    INVISIBLE = "invisible characters"
    FORM = "form inside the mail"
    ATTACHMENT = "dangerous attachment type"


def reasons_for(view: View, probability: float, threshold: float) -> tuple[str, ...]:
    """The reasons that hold, strongest first; features are named only beside a text that is not sure ham."""
    if probability < threshold / 2:
        return ()
    said = [f"{Reason.TEXT} ({probability:.2f})"] if probability >= threshold else []
    said += [str(reason) for reason, holds in _features(view) if holds]
    return tuple(said)


def _features(view: View) -> tuple[tuple[Reason, bool], ...]:
    return (
        (Reason.ATTACHMENT, view.dangerous_attachment),
        (Reason.NAME, view.name_shows_address),
        (Reason.LINK, view.link_mismatches > 0),
        (Reason.REPLY, bool(view.reply_domain)),
        (Reason.NUMBER, view.has_address_link),
        (Reason.PUNYCODE, view.has_punycode),
        (Reason.FORM, view.inputs > 0),
        (Reason.INVISIBLE, view.disguises.any),
        (Reason.HIDDEN, view.hidden > 400),
        (Reason.SHORTENER, view.has_shortener),
    )
