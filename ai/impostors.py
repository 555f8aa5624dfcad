"""Signs that somebody writes in the name of a colleague: who they say they are, where replies go, what they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum, auto

from ai.context import Context
from ai.fold import skeleton
from ai.known import FREE_MAIL
from ai.view import View, registrable
from ai.wording import IMPOSTOR_HASTE, IMPOSTOR_MONEY, plain, says

_LOOKED_AT = 2500  # characters: impostors write short
_WORDS = 8  # of a name
_DENSE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,40}")
MIN_WORD = 2  # letters: initials do not count


class Claim(Enum):
    """The signs, without their weight."""

    COLLEAGUE = auto()
    COLLEAGUE_KNOWN = auto()
    REPLY = auto()
    REQUEST = auto()
    REQUEST_ALONE = auto()
    OWN_SENDER = auto()


def claims(view: View, context: Context) -> Iterator[Claim]:
    """Every sign that holds."""
    home = registrable(view.from_domain)
    is_own = home in {registrable(domain) for domain in context.recipient_domains}
    if is_own and context.dmarc != "pass":
        yield from _as_own(view, context)
    elif not is_own and bears_name(view.from_name, (*context.colleague_names, *context.recipient_names)):
        yield from _as_colleague(view, context)
    elif context.first_contact and home in FREE_MAIL and _asks_twice(view):
        yield Claim.REQUEST_ALONE


def _as_colleague(view: View, context: Context) -> Iterator[Claim]:
    """A colleague's name on a foreign address: people do write from home, so alone it means little."""
    if context.reply_to_ours:
        return
    if context.first_contact is False:
        yield Claim.COLLEAGUE_KNOWN
        return
    yield Claim.COLLEAGUE
    if registrable(view.reply_domain) in FREE_MAIL:
        yield Claim.REPLY
    if _asks(view):
        yield Claim.REQUEST


def _as_own(view: View, context: Context) -> Iterator[Claim]:
    """Our own domain as sender on mail from outside: lists and services send so too, but do not ask like this."""
    leaves = registrable(view.reply_domain) in FREE_MAIL
    if leaves:
        yield Claim.REPLY
    if _asks(view) and (leaves or not context.reply_to_ours):
        yield Claim.OWN_SENDER
        if leaves:
            yield Claim.REQUEST


def _asks(view: View) -> bool:
    text = _asked(view)
    return says(text, IMPOSTOR_MONEY) or says(text, IMPOSTOR_HASTE)


def _asks_twice(view: View) -> bool:
    text = _asked(view)
    return says(text, IMPOSTOR_MONEY) and says(text, IMPOSTOR_HASTE)


def _asked(view: View) -> str:
    return plain(f"{view.subject} \n {view.text[:_LOOKED_AT]}")


def name_words(name: str) -> tuple[str, ...]:
    """The words of a person's name as look-alike letters leave them, initials left out."""
    words = (skeleton(word) for word in name.replace(",", " ").replace(".", " ").split()[:_WORDS])
    return tuple(word for word in words if len(word) >= MIN_WORD)


def bears_name(shown: str, names: Iterable[str]) -> bool:
    """Whether a display name holds somebody's whole name, in any order. One word alone is nobody's, unless it is of a
    script that writes names without a gap."""
    found = name_words(shown)
    words, joined = set(found), "".join(found)
    for of in map(name_words, names):
        if len(of) > 1 and words.issuperset(of):
            return True
        whole = "".join(of)
        if len(whole) > 1 and whole in joined and _DENSE.fullmatch(whole):
            return True
    return False
