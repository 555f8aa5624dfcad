"""What people are told when their account sends unusually: the reply to the client, and the note in the inbox."""

from __future__ import annotations

from datetime import UTC, datetime

from node.base.reply import Reply
from node.checks.sending import TRUST, Judgement, Sign, Step
from node.store.security_events import SecurityEvent

SIGNS = {
    Sign.VOLUME_HOUR: "more mail within an hour than this account usually sends",
    Sign.VOLUME_DAY: "more mail within a day than this account usually sends",
    Sign.NEW_RECIPIENTS: "many recipients this account has never written to",
    Sign.UNUSUAL_HOUR: "an hour at which this account hardly ever sends",
    Sign.UNUSUAL_NETWORK: "a network this account does not send from",
    Sign.REFUSED_RECIPIENTS: "many addresses that do not exist",
    Sign.LOOKS_LIKE_SPAM: "text that looks like spam",
}
SUBJECTS = {
    Step.SLOWED: "Sending from your mailbox was slowed down",
    Step.HELD: "Sending from your mailbox was slowed down",
    Step.LOCKED: "Sending from your mailbox is locked",
}


def locked(page: str) -> Reply:
    """The reply to a client of a locked account: 4xx, so that it keeps the message."""
    return Reply(
        451,
        "4.7.1",
        "Sending is locked for this account after unusual activity; your mail client keeps this message. "
        f"See the note in your inbox, then unlock with your wallet: {page}",
    )


def deferral(judgement: Judgement, recipients: int, page: str) -> Reply:
    """The reply to a message that has to wait."""
    if judgement.step is Step.LOCKED:
        return locked(page)
    if not judgement.wait:
        return Reply(
            450,
            "4.7.1",
            f"{recipients} recipients at once are unusual here (about {judgement.ceiling:.0f} an hour are not): "
            f"send to fewer at a time, or lift the limit with your wallet: {page}",
        )
    return Reply(
        450,
        "4.7.1",
        "Sending is slowed down, this account sends unusually much: "
        f"try again in {judgement.wait:.0f} seconds, or lift the limit with your wallet: {page}",
    )


def lines(event: SecurityEvent, judgement: Judgement, address: str, page: str) -> list[str]:
    """The note's text: what was seen, what was done, what to do."""
    name = event.app_password
    revoke = f"Revoke the app password \u201c{name}\u201d." if name else "Revoke the app passwords you do not know."
    return [
        f"Unusually much mail was sent from {address}, or tried to be:",
        "",
        f"  When:          {moment(event.time)}",
        f"  From where:    network {event.network or 'unknown'}",
        f"  App password:  {name or 'unknown'}",
        f"  How much:      {event.recipients} recipients within an hour, {event.fresh} of them new",
        f"  Taken:         {event.messages} messages",
        *(f"  {'Unusual:' if place == 0 else '':<14} {SIGNS[sign]}" for place, sign in enumerate(judgement.signs)),
        "",
        *_done(judgement.step),
        "No message was lost: what was not taken is still with the mail client.",
        "Reading mail works as before.",
        "",
        "If this was not you, somebody has your app password:",
        "",
        "  1. Type this address into your browser, and sign in with your wallet:",
        f"     {page}",
        f"  2. {revoke}",
        "  3. Unlock sending there with a signature of your wallet.",
        "",
        "If it was you, step 1 and 3 are enough; for a day after that you may send",
        f"up to {TRUST:.0f} times as much. Whoever runs this node can unlock it, too.",
    ]


def _done(step: Step) -> list[str]:
    if step is Step.LOCKED:
        return ["Sending from this account is locked until you unlock it."]
    return [
        "Sending is slowed down: a small message passes now and then, others have to",
        "wait. If it goes on, sending will be locked.",
    ]


def moment(time: int) -> str:
    """Unix seconds for people."""
    at = datetime.fromtimestamp(time, UTC)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"
