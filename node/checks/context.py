"""What the node knows about a message beside its bytes, from the store: who its readers and their colleagues are,
whether they know its author, whether it answers them. One read, bounded whatever the message names."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from ai.context import Context
from ai.impostors import name_words
from node.base.address import AddressError, parse_address
from node.checks.panel import Subject
from node.mail.correspondence import correspondence
from node.store import accounts, contacts, sent_ids
from node.store.database import Reading

MAX_READERS = 20  # recipients that are looked at
MAX_NAMES = 5000  # people of one domain whose names are known
MAX_DOMAINS = 200  # domains whose people are remembered
FRESH_SECONDS = 60.0  # and for how long
MAX_ALIKE = 20  # colleagues that a message is compared with


@dataclass(frozen=True, slots=True)
class _People:
    """Names of a domain's people: by each pair of their words, and whole where a script writes them without a gap."""

    by_words: dict[str, list[str]]
    until: float


class Surroundings:
    """Gathers contexts. Threads may ask at the same time.

    Args:
        own_hosts: names under which this node's own login is reached.
        clock: seconds that only rise.
    """

    def __init__(self, own_hosts: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.own_hosts = tuple(dict.fromkeys(host.lower() for host in own_hosts if host))
        self._clock = clock
        self._people: dict[str, _People] = {}

    def known(self, subject: Subject) -> Context:
        """What is known without a look at the store."""
        domains = dict.fromkeys(text.rpartition("@")[2].lower() for text in subject.recipients[:MAX_READERS])
        return Context(recipient_domains=tuple(domain for domain in domains if domain), own_hosts=self.own_hosts)

    def context(self, tx: Reading, subject: Subject, sender_name: str) -> Context:
        """All of it.

        Args:
            sender_name: the display name in From, as a person reads it; of the colleagues those called so are told.
        """
        plain = self.known(subject)
        readers = accounts.named(tx, _keys(subject))
        if not readers:
            return plain
        ids = [reader.id for reader in readers]
        letter = correspondence(subject.content)
        author = letter.author and contacts.digest(letter.author)
        answers = [sent_ids.digest(each) for each in letter.answers]
        names = self._alike(tx, plain.recipient_domains, sender_name)
        own = {reader.name for reader in readers if reader.name}
        return Context(
            recipient_domains=plain.recipient_domains,
            recipient_names=tuple(sorted(own)),
            colleague_names=tuple(name for name in names if name not in own),
            own_hosts=self.own_hosts,
            first_contact=not contacts.exchanged(tx, ids, author) if author else None,
            reply_to_ours=sent_ids.answered(tx, ids, answers),
        )

    def _alike(self, tx: Reading, domains: Sequence[str], shown: str) -> list[str]:
        """People of these domains whose names may be the one shown."""
        keys = _name_keys(shown)
        if not keys:
            return []
        found: dict[str, None] = {}
        for domain in domains:
            people = self._of(tx, domain)
            for key in keys:
                found.update(dict.fromkeys(people.by_words.get(key, ())))
        return list(found)[:MAX_ALIKE]

    def _of(self, tx: Reading, domain: str) -> _People:
        people = self._people.get(domain)
        now = self._clock()
        if people is None or people.until < now:
            by_words: dict[str, list[str]] = {}
            for name in accounts.names(tx, domain, MAX_NAMES):
                for key in _name_keys(name):
                    by_words.setdefault(key, []).append(name)
            people = _People(by_words, now + FRESH_SECONDS)
            if len(self._people) >= MAX_DOMAINS:
                self._people = {}
            self._people[domain] = people
        return people


def _keys(subject: Subject) -> list[str]:
    keys: dict[str, None] = {}
    for text in subject.recipients[:MAX_READERS]:
        try:
            keys[parse_address(text).key] = None
        except AddressError:
            continue
    return list(keys)


def _name_keys(name: str) -> list[str]:
    """What two names share when one of them may hold the other: pairs of words, and all words as one."""
    words = sorted(set(name_words(name[:200])))
    return list(dict.fromkeys((*(" ".join(pair) for pair in combinations(words, 2)), "".join(name_words(name[:200])))))
