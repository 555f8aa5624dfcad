"""Who teaches, and how much each is believed: sources apart, with weights and bounds of their own.

A person teaches the own head at full weight. In the node's head, which corrects everybody's mail, all lessons of one
account together have one small purse, so that it takes many people to move it far; what an administrator says is not
bounded, and spam traps have a purse of theirs.
"""

from __future__ import annotations

from enum import StrEnum

from ai.lessons import Facts, Lesson, Purse, digest


class Source(StrEnum):
    """Where a lesson comes from."""

    MOVED = "moved"  # into Junk or out of it; put into Junk (APPEND)
    KEYWORD = "keyword"  # $Junk, $NotJunk and Thunderbird's; set by its own filter, too, and so believed less
    REPLIED = "replied"  # answered: hardly spam
    ADMINISTRATOR = "administrator"
    TRAP = "trap"  # came to an address that nobody was given


PERSON_WEIGHTS = {Source.MOVED: 1.0, Source.KEYWORD: 0.5, Source.REPLIED: 0.25, Source.ADMINISTRATOR: 1.0}
NODE_WEIGHTS = {Source.MOVED: 0.5, Source.KEYWORD: 0.25, Source.ADMINISTRATOR: 1.0, Source.TRAP: 0.5}
PERSON_SENDER, PERSON_DOMAIN = 2.0, 6.0  # the most that lessons about one sender, one domain pull in a person's head
NODE_ACCOUNT = 0.5  # likewise all lessons of one account in the node's
NODE_SENDER, NODE_DOMAIN = 1.0, 3.0
NODE_TRAPS = 10.0


def for_person(facts: Facts, is_spam: bool, source: Source, time: int) -> Lesson:
    """The lesson for the head of the person who gave it."""
    purses = Purse(facts.sender, PERSON_SENDER), Purse(facts.domain, PERSON_DOMAIN)
    return Lesson(facts, is_spam, PERSON_WEIGHTS.get(source, 0.0), time, purses)


def for_node(facts: Facts, is_spam: bool, source: Source, time: int, account: int | None) -> Lesson:
    """The lesson for the node's head; ``account`` is who gave it, None for administrators and traps."""
    purses: tuple[Purse, ...] = ()
    if source is not Source.ADMINISTRATOR:
        whose = (
            Purse(digest("traps"), NODE_TRAPS) if account is None else Purse(digest(f"account {account}"), NODE_ACCOUNT)
        )
        purses = whose, Purse(facts.sender, NODE_SENDER), Purse(facts.domain, NODE_DOMAIN)
    return Lesson(facts, is_spam, NODE_WEIGHTS.get(source, 0.0), time, purses)
