"""The benchmark of filters: what it draws, what it strips, how it reads answers and counts; by hand, no daemon."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import filter as benchmark
from filter_mail import as_fresh, choose, fresh
from filter_programs import Unanswered, bogofilter_score, spamd_score
from filter_rspamd import rspamd_score

from ai.data.corpus import Sample

DATE = b"Sat, 21 Nov 2026 12:00:00 +0000"
RAW = (
    b"From ann@list.example Sun May  6 20:38:29 2007\n"
    b"Received: from a (b [192.0.2.1])\n\tby c; Sun, 6 May 2007 20:38:29 -0400\n"
    b"X-Spam-Flag: YES\nList-Id: <talk.example>\nIn-Reply-To: <1@a>\n"
    b"From: Ann <ann@firm.example>\nTo: Ben <ben@collector.example>,\n carl@collector.example\n"
    b"Subject: Re: [talk] pumps\nDate: Sun, 6 May 2007 20:38:20 -0400\nMessage-Id: <2007.1@firm.example>\n"
    b"Content-Type: text/plain\n\nThe pump works.\n-- \nAnn\n"
    b"_______________________________________________\ntalk mailing list\ntalk@list.example\n"
)


def sample(id: str, is_spam: bool, *, source: str = "sa", split: str = "test", raw: bytes = b"") -> Sample:
    return Sample(id, source, split, is_spam, "bulk" if is_spam else "ham", raw)


KINDS = {"a ham": [f"h{n}" for n in range(60)], "a spam": [f"s{n}" for n in range(30)], "b spam": ["t0"]}
SCORES = {"h0": -1.0, "h1": 2.0, "h2": 7.0, "s0": 6.0, "s1": 9.0}


class TestDrawing:
    def test_every_kind_keeps_its_share(self) -> None:
        drawn = choose(KINDS, 10, 1)
        assert (len(drawn), sum(id[0] == "h" for id in drawn), sum(id[0] == "s" for id in drawn)) == (10, 7, 3)

    def test_the_same_seed_draws_the_same(self) -> None:
        turned = {kind: ids[::-1] for kind, ids in reversed(KINDS.items())}
        assert choose(KINDS, 20, 1) == choose(turned, 20, 1) != choose(KINDS, 20, 2)

    @given(st.integers(0, 200))
    def test_as_many_as_asked_for_or_all(self, count: int) -> None:
        assert len(choose(KINDS, count, 3)) == min(count, 91)


class TestFreshForm:
    def test_what_tells_the_corpus_is_gone_and_the_rest_stays(self) -> None:
        head, _, body = fresh(RAW, DATE).partition(b"\r\n\r\n")
        fields = head.split(b"\r\n")
        assert fields[:4] == [
            b"From: Ann <ann@firm.example>",
            b"To: user@example.net",
            b"Subject: Re: pumps",
            b"Date: " + DATE,
        ]
        assert fields[4].startswith(b"Message-Id: <")
        assert fields[4].endswith(b"@firm.example>")
        assert fields[5:] == [b"Content-Type: text/plain"]
        assert body == b"The pump works.\r\n-- \r\nAnn"

    def test_a_footer_inside_a_part_takes_nothing_else_with_it(self) -> None:
        body = b"--b\n\ntext\n--------------------\nTo unsubscribe, write\n--b\n\nsecond\n--b--\n"
        assert fresh(b"From: a@b.example\n\n" + body, DATE).endswith(
            b"--b\r\n\r\ntext\r\n--b\r\n\r\nsecond\r\n--b--\r\n"
        )

    def test_a_rule_of_the_writers_stays(self) -> None:
        assert b"------------\r\nTotal 5" in fresh(b"From: a@b.example\n\nPump 5\n------------\nTotal 5\n", DATE)

    @given(st.binary(max_size=300))
    def test_whatever_comes_lines_end_in_crlf(self, raw: bytes) -> None:
        made = as_fresh(sample("x", False, raw=raw), DATE).raw
        assert made.count(b"\n") == made.count(b"\r\n")


class TestAnswers:
    def test_spamd(self) -> None:
        assert spamd_score(b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 13.3 / 5.0\r\n\r\n") == 13.3
        assert spamd_score(b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; -0.1 / 5.0\r\n\r\n") == -0.1

    def test_rspamd(self) -> None:
        body = json.dumps({"score": 2.79, "required_score": 15.0, "action": "no action"}).encode()
        assert rspamd_score(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body) == 2.79

    def test_bogofilter(self) -> None:
        assert bogofilter_score(b"/tmp/message-0 0.9987654321000000\n") == 0.9987654321

    @pytest.mark.parametrize(
        "said", [b"", b"\n", b"SPAMD/1.1 76 Bad header line\r\n\r\n", b"HTTP/1.1 500 no\r\n\r\n[]"]
    )
    def test_no_answer_is_no_score(self, said: bytes) -> None:
        for read in (spamd_score, rspamd_score, bogofilter_score):
            with pytest.raises(Unanswered):
                read(said)


class TestFigures:
    def judge(self, raw: bytes) -> float:
        if raw == b"s2":
            raise Unanswered
        return SCORES[raw.decode()]

    def answers(self, judges: int = 1) -> list[benchmark.Answer]:
        mail = [sample(id, id[0] == "s", raw=id.encode()) for id in (*SCORES, "s2")]
        mail.append(sample("m", True, source="modern_a", split="modern_dev", raw=b"s1"))
        return benchmark.ask_all([self.judge] * judges, mail)

    @pytest.mark.parametrize("judges", [1, 3])
    def test_every_message_gets_its_own_answer(self, judges: int) -> None:
        assert [answer.score for answer in self.answers(judges)] == [-1.0, 2.0, 7.0, 6.0, 9.0, None, 9.0]

    def test_rates_at_the_programs_own_threshold(self) -> None:
        """Above 6: one ham of three, two spams of three; without the disputed ham no ham. No answer means ham."""
        found = {r.group: r for r in benchmark.figures(self.answers(), 6.0, frozenset({"h2"}))}
        assert list(found) == ["test", "test without disputed labels", "test/sa", "modern_dev"]
        test, undisputed = found["test"], found["test without disputed labels"]
        assert (test.false_positives, test.recall) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
        assert (undisputed.false_positives, undisputed.recall) == (0, pytest.approx(2 / 3))
        assert test.auc == pytest.approx(5 / 9)
        assert test.recall_0_1 == pytest.approx(1 / 3)
        assert found["modern_dev"].recall == 1

    def test_percentile(self) -> None:
        values = [float(n) for n in range(100, 0, -1)]
        assert (benchmark.percentile(values, 0.99), benchmark.percentile([5.0], 0.99)) == (99, 5)

    def test_tables_and_json_agree_and_leave_out_what_does_not_exist(self) -> None:
        results = benchmark.figures(self.answers(), 6.0, frozenset())
        outcomes = [benchmark.Outcome(name, "raw", 1, results) for name in ("one", "two")]
        rows = benchmark.accuracy_table(outcomes).splitlines()
        assert rows[2] == "| test | 3 | 3 | one | 0.5556 | 33.3 | 33.3 | 33.3 | 66.7 |"
        assert rows[-1] == "| modern_dev | 0 | 1 | two |  |  |  |  | 100.0 |"
        speeds = {"one": benchmark.Speed(10, 100.0, 10.0, 90.0, 11.0, 20.0, 300.0, math.nan)}
        assert benchmark.speed_table(speeds).splitlines()[2] == "| one | 100 | 10.0 | 90 | 11.0 | 20.0 | 300 / nan |"
        said = json.loads(benchmark.as_json(benchmark.parsed([]), speeds, outcomes))
        assert said["speed"]["one"]["pss_mib"] is None
        assert said["accuracy"][1]["results"][0]["auc"] == 0.55556
