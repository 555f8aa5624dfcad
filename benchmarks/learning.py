"""What people's corrections are worth: a new installation, and after 50 and 200 corrections, on mail nobody trained on.

    python benchmarks/learning.py [--corpus ../shared/corpus] [--model DIR] [--tune]

Simulated people read their mail in order and correct what lies in the wrong folder, nothing else. Then later mail of
theirs is judged with the head as it is. Each has something special that the model is often wrong about, and ordinary
mail beside it, on which harm is measured. `--tune` does the same on other mail (validation split and older phishing);
the constants in `ai/heads.py` were chosen there.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ai.classifier import Classifier
from ai.data.corpus import Sample, read_split
from ai.heads import NODE, PERSON, Head
from ai.lessons import Facts, Trainer, facts_of
from ai.teachers import Source, for_node, for_person
from ai.view import text_view
from node.checks.learned import CAUTION

TIME = 1_790_000_000
STEPS = (1, 50, 200)
ORDINARY = 450  # messages of either kind beside the special ones
TOPICS = {
    "wants pharmacy offers": r"viagra|cialis|pharmac|pills\b|\bmeds\b",
    "wants share tips": r"\bstock|\bshares|investor|symbol:|price target",
    "wants watches and software": r"replica|rolex|watches|adobe|oem software|windows xp",
    "wants loans and credit": r"mortgage|\bloan|refinanc|\bcredit\b",
}


@dataclass(frozen=True)
class Mail:
    """One message: what the model thought, what this person says it is, whether it is what is special here."""

    facts: Facts
    is_spam: bool
    is_special: bool


@dataclass
class Person:
    """Mail in the order of its time, and heads after so many corrections."""

    name: str
    earlier: list[Mail]
    later: list[Mail]
    heads: dict[int, Head] = field(default_factory=dict)
    corrections: list[Mail] = field(default_factory=list)


@dataclass(frozen=True)
class Read:
    """A judged message of the corpus."""

    sample: Sample
    ts: float
    facts: Facts
    words: str

    def mail(self, is_spam: bool | None = None, *, is_special: bool = False) -> Mail:
        return Mail(self.facts, self.sample.is_spam if is_spam is None else is_spam, is_special)


def read(corpus: Path, split: str, classifier: Classifier, chosen: dict[str, int]) -> list[Read]:
    """Judge of each source as many messages as `chosen` says ("source ham", "source spam"), the newest first chosen."""
    index = {row["id"]: row for row in map(json.loads, (corpus / f"{split}.index.jsonl").open())}
    kinds: dict[str, list[str]] = {}
    for id, row in sorted(index.items(), key=lambda item: (-item[1]["ts"], item[0])):
        kinds.setdefault(f"{row['src'].partition('/')[0]} {row['label']}", []).append(id)
    rng = random.Random(split)
    wanted: set[str] = set()
    for kind, most in chosen.items():
        ids = kinds.get(kind, [])
        wanted.update(ids[:most] if kind.startswith("phishing_pot") else rng.sample(ids, min(most, len(ids))))
    threshold = _logit(classifier.manifest.junk)
    found = []
    for sample in read_split(corpus, split, without_suspects=True):
        if sample.id in wanted:
            view = text_view(sample.raw)
            facts = facts_of(sample.raw, classifier.score(sample.raw).margin - threshold)
            found.append(Read(sample, index[sample.id]["ts"], facts, f"{view.subject} {view.text[:3000]}".lower()))
    return sorted(found, key=lambda one: (one.ts, one.sample.id))


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def build(corpus: Path, classifier: Classifier, *, tune: bool) -> list[Person]:
    """The people, with everything judged once."""
    split = "val" if tune else "test"
    everything = 10_000
    main = read(
        corpus,
        split,
        classifier,
        {"trec07 ham": 250, "sa ham": 150, "lml ham": 150, "trec07 spam": 1000, "sa spam": 200}
        | ({} if tune else {"phishing_pot spam": everything}),
    )
    older = read(corpus, "train" if tune else "val", classifier, {"phishing_pot spam": 600})
    old = [] if tune else read(corpus, "train", classifier, {"phishing_pot spam": 500})
    modern = read(corpus, "modern_dev", classifier, {"modern_a ham": everything, "modern_a spam": everything})
    ham = [one for one in main if not one.sample.is_spam] + [one for one in modern if not one.sample.is_spam]
    spam = [one for one in main if one.sample.is_spam and one.sample.source != "phishing_pot"]
    phishing = [*old, *older, *(one for one in main if one.sample.source == "phishing_pot")]
    newest = len(phishing) * 3 // 5 if tune else len(old) + len(older)
    people = [
        _person(
            "gets modern phishing",
            [one.mail(is_special=True) for one in phishing[:newest]],
            [one.mail(is_special=True) for one in phishing[newest:]],
            ham,
            spam,
        )
    ]
    for name, pattern in TOPICS.items():
        special = [one for one in spam if re.search(pattern, one.words)]
        rest = [one for one in spam if not re.search(pattern, one.words)]
        mails = [one.mail(False, is_special=True) for one in special]
        cut = len(mails) * 3 // 5
        people.append(_person(name, mails[:cut], mails[cut:], ham, rest))
    people.append(_consumer(modern, ham, spam))
    people.append(_everything(people[:-1], ham, spam))
    return people


def _person(name: str, earlier: list[Mail], later: list[Mail], ham: Sequence[Read], spam: Sequence[Read]) -> Person:
    """Special mail among ordinary mail; half of the latter comes earlier, half later."""
    rng = random.Random(name)
    for group in (ham, spam):
        mails = [one.mail() for one in rng.sample(group, min(ORDINARY, len(group)))]
        half = len(mails) // 2
        earlier, later = _mixed(earlier, mails[:half], rng), later + mails[half:]
    return Person(name, earlier, later)


def _mixed(one: Sequence[Mail], other: Sequence[Mail], rng: random.Random) -> list[Mail]:
    """Both, each in its order."""
    places = sorted([(rng.random(), 0) for _ in one] + [(rng.random(), 1) for _ in other])
    sources = iter(one), iter(other)
    return [next(sources[which]) for _, which in places]


def _consumer(modern: Sequence[Read], ham: Sequence[Read], spam: Sequence[Read]) -> Person:
    """Consumer mail of 2025 and 2026, both kinds; its own later half is what counts."""
    mails = [one.mail(is_special=True) for one in modern]
    ordinary = [one for one in ham if one.sample.source != "modern_a"]
    return _person("consumer mail 2025/26", mails[: len(mails) // 2], mails[len(mails) // 2 :], ordinary, spam)


def _everything(people: Sequence[Person], ham: Sequence[Read], spam: Sequence[Read]) -> Person:
    """Somebody with all those interests at once: enough mistakes for 200 corrections."""
    pattern = "|".join(TOPICS.values())
    rest = [one for one in spam if not re.search(pattern, one.words)]
    earlier: list[Mail] = []
    later: list[Mail] = []
    for person in people:
        earlier = _mixed(earlier, [mail for mail in person.earlier if mail.is_special], random.Random(person.name))
        later += [mail for mail in person.later if mail.is_special]
    return _person("all of the above", list(dict.fromkeys(earlier)), list(dict.fromkeys(later)), ham, rest)


def live(person: Person) -> None:
    """Read the earlier mail, correct what is wrong, remember the head at each step."""
    trainer = Trainer(Head.empty(PERSON))
    head = trainer.head()
    person.heads[0] = head
    for number, mail in enumerate(person.earlier):
        if is_junk(mail, head) == mail.is_spam:
            continue
        trainer.learn(for_person(mail.facts, mail.is_spam, Source.MOVED, TIME + 600 * number))
        person.corrections.append(mail)
        head = trainer.head()
        if len(person.corrections) in STEPS:
            person.heads[len(person.corrections)] = head
    person.heads[len(person.corrections)] = head


def is_junk(mail: Mail, head: Head) -> bool:
    """What the node decides with its own head, or for a person with theirs (`node.checks.learned`)."""
    corrected = mail.facts.excess + head.correction(mail.facts.hashes, TIME)
    is_careful = head.policy is PERSON and mail.facts.excess < 0
    return corrected >= (CAUTION if is_careful else 0.0)


def right(mails: Iterable[Mail], head: Head) -> float:
    """Share of messages in the right folder, in per cent; NaN without any."""
    judged = [is_junk(mail, head) == mail.is_spam for mail in mails]
    return 100 * sum(judged) / len(judged) if judged else math.nan


def report(people: Sequence[Person]) -> str:
    """Two tables: each person's own head, and the node's head for people who taught it nothing."""
    lines = [
        "| person | corrections | special mail right | ordinary ham right | ordinary spam right |",
        "|---|---|---|---|---|",
    ]
    for person in people:
        live(person)
        for count, head in sorted(person.heads.items()):
            shares = " | ".join(f"{right(group, head):.1f} %" for group in groups(person.later))
            lines.append(f"| {person.name} | {count} | {shares} |")
    return "\n".join([*lines, "", *_for_others(people)])


def groups(mails: Sequence[Mail]) -> tuple[list[Mail], list[Mail], list[Mail]]:
    """Special, ordinary ham, ordinary spam."""
    return (
        [mail for mail in mails if mail.is_special],
        [mail for mail in mails if not mail.is_special and not mail.is_spam],
        [mail for mail in mails if not mail.is_special and mail.is_spam],
    )


def _for_others(people: Sequence[Person]) -> list[str]:
    """What the node's head does to a stranger's mail: the phished person's later mail, and all ordinary mail."""
    phished = people[0]
    ordinary = [mail for person in people for mail in person.later if not mail.is_special]
    rows = {"nobody": Head.empty(NODE)}
    for accounts in (1, 5, 20):
        trainer = Trainer(Head.empty(NODE))
        for number, mail in enumerate(phished.corrections[:200]):
            trainer.learn(for_node(mail.facts, mail.is_spam, Source.MOVED, TIME, number % accounts))
        rows[f"{accounts} accounts, {len(phished.corrections[:200])} corrections of phishing in all"] = trainer.head()
    trainer = Trainer(Head.empty(NODE))
    for mail in phished.corrections[:200]:
        trainer.learn(for_node(mail.facts, mail.is_spam, Source.ADMINISTRATOR, TIME, None))
    rows["an administrator, the same corrections"] = trainer.head()
    for accounts in (1, 20):
        trainer = Trainer(Head.empty(NODE))
        for number in range(10_000):
            mail = ordinary[number % len(ordinary)]
            trainer.learn(for_node(mail.facts, not mail.is_spam, Source.MOVED, TIME, number % accounts))
        rows[f"poison: {accounts} accounts, 10,000 wrong lessons about exactly this ordinary mail"] = trainer.head()
    lines = [
        "| who taught the node's head | a stranger's phishing caught | ordinary ham right | ordinary spam right |",
        "|---|---|---|---|",
    ]
    for name, head in rows.items():
        phishing, _, _ = groups(phished.later)
        _, ham, spam = groups(ordinary)
        lines.append(
            f"| {name} | {right(phishing, head):.1f} % | {right(ham, head):.1f} % | {right(spam, head):.1f} % |"
        )
    return lines


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--tune", action="store_true", help="on other mail than the report")
    options = parser.parse_args()
    began = time.perf_counter()
    people = build(options.corpus, Classifier.load(options.model), tune=options.tune)
    sys.stdout.write(report(people) + f"\n\n{time.perf_counter() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
