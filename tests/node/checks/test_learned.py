"""What heads do to a verdict: persons decide on spam for themselves, never on threats, and nothing breaks mail."""

from __future__ import annotations

import pytest

from ai.heads import NODE, PERSON, Head
from ai.lessons import Facts, Lesson, Trainer
from node.base.address import Address
from node.base.reply import Reply
from node.checks import learned as module
from node.checks.learned import CAUTION, FREES, Learned, log_odds, probability
from node.checks.opinion import Opinion, Reason, Verdict
from node.store import accounts, heads
from node.store.database import Database
from node.store.heads import Stored
from node.store.transaction import Writing

pytestmark = pytest.mark.anyio
NOW = 1_790_000_000
HASHES = tuple(range(100, 300))
JUNK_AT = 0.9
THRESHOLD = log_odds(JUNK_AT)


def head(is_spam: bool, lessons: int = 3, policy=PERSON) -> Head:
    trainer = Trainer(Head.empty(policy))
    for _ in range(lessons):
        trainer.learn(Lesson(Facts(HASHES, 0.0, 1, 1), is_spam, 1.0, NOW))
    return trainer.head()


def verdict(margin: float, *others: Opinion, hashes: tuple[int, ...] = HASHES) -> Verdict:
    junk = margin >= THRESHOLD
    reason, folder = (Reason.SPAM_JUNK, "\\Junk") if junk else (Reason.FINE, "")
    ours = Opinion(reason, "spam" if junk else "ham", probability(margin), folder=folder, margin=margin, hashes=hashes)
    return Verdict((ours, *others))


def points(folder: str = "\\Junk", reason: Reason = Reason.SPAM_JUNK) -> Opinion:
    return Opinion(reason, "spam", 0.8, folder=folder, check="rspamd")


@pytest.fixture
async def people(tmp_path):
    """Accounts 1 (frees), 2 (junks), 3 (broken head), 4 (none)."""
    async with Database.open(tmp_path / "waxseal.db") as database:

        def work(tx: Writing) -> None:
            for name in ("frees", "junks", "broken", "none"):
                accounts.add(tx, Address(name, "example.org"))
            contents = {1: head(False).to_bytes(), 2: head(True).to_bytes(), 3: b"WXHD and no more"}
            for account_id, content in contents.items():
                heads.put(tx, None, Stored(account_id, 0, 1, 0, 0, content))

        await database.write(work)
        learned = Learned(lambda: JUNK_AT, lambda: NOW)
        await database.read(learned.catch_up)
        yield database, learned


async def folders(people, asked: Verdict) -> list[str]:
    database, learned = people
    found = await database.read(lambda tx: learned.folders(tx, (1, 2, 3, 4), asked))
    return [found.get(account_id, (asked.folder,))[0] for account_id in (1, 2, 3, 4)]


async def test_each_persons_head_decides_for_that_person(people) -> None:
    assert await folders(people, verdict(THRESHOLD + 1)) == ["", "\\Junk", "\\Junk", "\\Junk"]
    assert await folders(people, verdict(THRESHOLD - 1)) == ["", "\\Junk", "", ""]


async def test_other_mail_stays_where_the_node_puts_it(people) -> None:
    other = tuple(range(5000, 5200))
    assert await folders(people, verdict(THRESHOLD + 1, hashes=other)) == ["\\Junk"] * 4
    assert await folders(people, verdict(THRESHOLD - 1, hashes=other)) == [""] * 4


async def test_junking_takes_more_than_freeing(people) -> None:
    database, learned = people
    moved = (await database.read(lambda tx: learned.folders(tx, [2], verdict(THRESHOLD - 1))))[2][1]
    assert (await folders(people, verdict(THRESHOLD - moved + CAUTION + 0.01)))[1] == "\\Junk"
    assert (await folders(people, verdict(THRESHOLD - moved + CAUTION - 0.01)))[1] == ""


async def test_threats_viruses_and_unknown_wishes_are_nobodys_to_overrule(people) -> None:
    for reason in (Reason.VIRUS_DOUBTFUL, Reason.THREAT_JUNK):
        assert (await folders(people, verdict(THRESHOLD + 1, points(reason=reason))))[0] == "\\Junk"


async def test_another_checks_points_give_way_to_a_clear_word_only(people) -> None:
    assert (await folders(people, verdict(THRESHOLD + 1, points())))[0] == ""
    some = HASHES[:12]  # little in common with what was taught
    correction = head(False).correction((*some, *range(9000, 9190)), NOW)
    assert -FREES < correction < 0
    asked = verdict(THRESHOLD + correction / -2, points(), hashes=(*some, *range(9000, 9190)))
    assert (await folders(people, asked))[0] == "\\Junk"


async def test_refused_and_held_mail_and_mail_without_a_score_are_not_touched(people) -> None:
    database, learned = people
    refused = verdict(9.0, Opinion(Reason.SPAM_REFUSED, reply=Reply(550, "5.7.1", "no")))
    held = verdict(9.0, Opinion(Reason.VIRUS, hold=True))
    unscored = Verdict((Opinion(Reason.UNSCORED_SLOW, "unscored"),))
    for asked in (refused, held, unscored):
        assert await database.read(lambda tx, asked=asked: learned.folders(tx, [1, 2, 3, 4], asked)) == {}


async def test_without_a_model_nothing_is_decided(people) -> None:
    database, _ = people
    learned = Learned(lambda: None, lambda: NOW)
    await database.read(learned.catch_up)
    assert await database.read(lambda tx: learned.folders(tx, [1], verdict(9.0))) == {}


async def test_a_changed_head_is_used_and_memory_is_bounded(people, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE", head(True).octets + 10)
    assert await folders(people, verdict(THRESHOLD + 1)) == ["", "\\Junk", "\\Junk", "\\Junk"]
    database, learned = people

    def work(tx: Writing) -> None:
        stored = heads.get(tx, 1)
        assert heads.put(tx, stored, Stored(1, 0, 2, 0, 0, head(True).to_bytes()))

    await database.write(work)
    await database.read(learned.catch_up)
    assert (await folders(people, verdict(THRESHOLD + 1)))[0] == "\\Junk"


async def test_the_nodes_head_adjusts_everybodys_margin(people) -> None:
    database, learned = people
    assert learned.correction(HASHES) == 0.0
    node = head(True, 40, NODE)
    await database.write(lambda tx: heads.put(tx, None, Stored(None, 0, 1, 0, 0, node.to_bytes())))
    await database.read(learned.catch_up)
    assert learned.correction(HASHES) == node.correction(HASHES, NOW) > 0.2
    await database.write(lambda tx: heads.reset(tx, None, 1))
    await database.read(learned.catch_up)
    assert learned.correction(HASHES) == 0.0
