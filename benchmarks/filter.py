"""Waxseal's classifier beside SpamAssassin, rspamd and bogofilter, in the same run on the same messages.

    .venv/bin/python benchmarks/filter.py [--train 4000] [--test 2000] [--only NAME ...] [--form raw|fresh|both]

Needs `apt-get install --no-install-recommends spamassassin spamd rspamd redis-server bogofilter`, psutil and the
corpus. Prints Markdown tables; the last line is JSON. The terms are in README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import queue
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from email.utils import formatdate
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from filter_mail import as_fresh, sampled
from filter_programs import Bogofilter, Filter, Judge, Server, SpamAssassin, Unanswered, Waxseal
from filter_rspamd import MIN_LEARNS, Rspamd

from ai.data import corpus, synthetic
from ai.data.corpus import Sample
from ai.evaluate import Judged, Result, measure

SEED = 20261121
WARM_UP = 20  # messages before the clock starts
MODERN = "modern_dev"
EVERYTHING = 1_000_000


@dataclass(frozen=True)
class Answer:
    """A filter's score of a message; None when it gave none, which leaves the message ham."""

    sample: Sample
    score: float | None
    seconds: float


@dataclass(frozen=True)
class Speed:
    """One worker on one core, one message after another. ``per_core`` is messages a second of CPU time of all the
    filter's processes; ``rss_mib`` the sum of their resident sets afterwards, ``pss_mib`` with shared pages divided."""

    messages: int
    per_core: float
    cpu_ms: float
    per_second: float
    p50_ms: float
    p99_ms: float
    rss_mib: float
    pss_mib: float


@dataclass(frozen=True)
class Outcome:
    """What one filter did with one form of the mail."""

    name: str
    form: str
    unanswered: int
    results: list[Result]


def ask_all(judges: Sequence[Judge], samples: Iterable[Sample]) -> list[Answer]:
    """Score messages, as many at a time as there are judges."""
    waiting: queue.SimpleQueue[Judge] = queue.SimpleQueue()
    for judge in judges:
        waiting.put(judge)

    def one(sample: Sample) -> Answer:
        judge = waiting.get()
        began = time.perf_counter()
        try:
            score: float | None = judge(sample.raw)
        except Unanswered:
            score = None
        finally:
            waiting.put(judge)
        return Answer(sample, score, time.perf_counter() - began)

    if len(judges) == 1:
        return [one(sample) for sample in samples]
    with ThreadPoolExecutor(len(judges)) as pool:
        return list(pool.map(one, samples))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def figures(answers: Sequence[Answer], threshold: float, disputed: frozenset[str]) -> list[Result]:
    """Figures of each split, without the disputed labels, and of each source of the test split."""
    groups: dict[str, list[Judged]] = {}
    for answer in answers:
        sample = answer.sample
        score = -math.inf if answer.score is None else answer.score
        judged = Judged(sample.id, sample.source, sample.split, sample.category, sample.is_spam, score, answer.seconds)
        names = [sample.split]
        if sample.split != MODERN:
            names += [f"{sample.split}/{sample.source}"]
            names += [f"{sample.split} without disputed labels"] if sample.id not in disputed else []
        for name in names:
            groups.setdefault(name, []).append(judged)
    order = sorted(groups, key=lambda name: (name == MODERN, "/" in name, name))
    return [measure(name, groups[name], threshold) for name in order]


def timed(server: Server, samples: Sequence[Sample], warm_up: Sequence[Sample]) -> Speed:
    """Speed and memory of a server with one worker."""
    ask_all(server.judges, warm_up)
    cpu, began = server.processes.cpu_seconds(), time.perf_counter()
    answers = ask_all(server.judges, samples)
    took, cpu = time.perf_counter() - began, server.processes.cpu_seconds() - cpu
    waits = [answer.seconds * 1000 for answer in answers]
    rss, pss = server.processes.summed_mib(), server.processes.resident_mib()
    count = len(samples)
    per_core = count / cpu if cpu else float("nan")
    p50, p99 = statistics.median(waits), percentile(waits, 0.99)
    return Speed(count, per_core, cpu * 1000 / count, count / took, p50, p99, rss, pss)


def speed_of(subject: Filter, folder: Path, samples: Sequence[Sample], warm_up: Sequence[Sample]) -> Speed:
    """Serve with one worker bound to the last core, ask from the others."""
    cores = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, cores[:-1] or cores)
        with subject.serving(folder, 1, cores[-1:]) as server:
            return timed(server, samples, warm_up)
    finally:
        os.sched_setaffinity(0, cores)


def accuracy_of(
    subject: Filter, folder: Path, form: str, samples: Sequence[Sample], disputed: frozenset[str]
) -> Outcome:
    """Judge everything on all cores."""
    cores = sorted(os.sched_getaffinity(0))
    with subject.serving(folder, len(cores), cores) as server:
        answers = ask_all(server.judges, samples)
    unanswered = sum(answer.score is None for answer in answers)
    return Outcome(subject.name, form, unanswered, figures(answers, subject.threshold, disputed))


def forms_of(samples: Sequence[Sample], names: Sequence[str], date: str) -> dict[str, list[Sample]]:
    """The samples in each form asked for."""
    made = {"raw": list(samples) if "raw" in names else []}
    made["fresh"] = [as_fresh(sample, date.encode()) for sample in samples] if "fresh" in names else []
    return {name: made[name] for name in names}


def training(options: argparse.Namespace) -> list[Sample]:
    """The messages that the peers learn; ends the run when they are too few for them."""
    found = list(sampled(options.corpus, "train", options.train, options.seed, may_train=True))
    found += synthetic.samples(options.generated, seed=options.seed)
    spam = sum(sample.is_spam for sample in found)
    if min(spam, len(found) - spam) < MIN_LEARNS + 20:  # a few are declined
        raise SystemExit(f"--train {options.train} is too few: Bayes needs {MIN_LEARNS} of each kind")
    return found


def testing(options: argparse.Namespace) -> list[Sample]:
    """The messages to judge: a sample of the test split, in an order of its own, and all of modern_dev."""
    found = list(sampled(options.corpus, "test", options.test, options.seed))
    return found + list(sampled(options.corpus, MODERN, EVERYTHING, options.seed))


def speed_table(speeds: dict[str, Speed]) -> str:
    """Markdown."""
    lines = [
        "| filter | messages/s a core | CPU ms a message | messages/s, in turn | p50 ms | p99 ms | RSS / PSS MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, s in speeds.items():
        values = (f"{s.per_core:.0f}", f"{s.cpu_ms:.1f}", f"{s.per_second:.0f}", f"{s.p50_ms:.1f}", f"{s.p99_ms:.1f}")
        lines.append(f"| {name} | {' | '.join(values)} | {s.rss_mib:.0f} / {s.pss_mib:.0f} |")
    return "\n".join(lines)


def accuracy_table(outcomes: Sequence[Outcome]) -> str:
    """Markdown: rates in per cent; empty where a group lacks one kind."""
    lines = [
        "| group | ham | spam | filter | AUC | recall @ 0.1 % FPR | @ 0.5 % FPR | FPR as shipped | recall as shipped |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for rows in zip(*(outcome.results for outcome in outcomes), strict=True):
        for outcome, r in zip(outcomes, rows, strict=True):
            auc = "" if math.isnan(r.auc) else f"{r.auc:.4f}"
            rates = (r.recall_0_1, r.recall_0_5, r.false_positives, r.recall)
            shown = " | ".join("" if math.isnan(rate) else f"{rate * 100:.1f}" for rate in rates)
            lines.append(f"| {r.group} | {r.ham} | {r.spam} | {outcome.name} | {auc} | {shown} |")
    return "\n".join(lines)


def choose_filters(options: argparse.Namespace) -> list[Filter]:
    """The filters asked for; ends the run when one of them is missing."""
    every: list[Filter] = [Waxseal(options.model), SpamAssassin(), Rspamd(), Bogofilter()]
    known = [one.name.lower() for one in every]
    if not set(options.only or ()) <= set(known):
        raise SystemExit(f"--only knows {', '.join(known)}")
    wanted = [one for one in every if not options.only or one.name.lower() in options.only]
    for subject in wanted:
        why = subject.missing()
        if why:
            raise SystemExit(f"{subject.name} cannot run here: {why}; choose others with --only")
    return wanted


def run(options: argparse.Namespace, scratch: Path) -> tuple[dict[str, Speed], list[Outcome]]:
    """Teach, time and question one filter after another."""
    names = ("raw", "fresh") if options.form == "both" else (options.form,)
    date = formatdate()  # now: rules about old and future dates must not fire
    subjects = choose_filters(options)
    lessons, questions = forms_of(training(options), names, date), forms_of(testing(options), names, date)
    disputed = corpus.suspects(options.corpus)
    timing = questions[names[0]][:: max(1, len(questions[names[0]]) // options.timed)][: options.timed]
    speeds: dict[str, Speed] = {}
    outcomes: list[Outcome] = []
    for subject in subjects:
        began = time.perf_counter()
        folders = {name: scratch / subject.name.lower() / name for name in names}
        for folder in folders.values():
            folder.mkdir(parents=True)
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(lambda name, s=subject, f=folders: s.learn(f[name], lessons[name]), names))
        learnt = time.perf_counter()
        speeds[subject.name] = speed_of(subject, folders[names[0]], timing, lessons[names[0]][:WARM_UP])
        outcomes += [accuracy_of(subject, folders[name], name, questions[name], disputed) for name in names]
        took = time.perf_counter() - learnt
        print(f"{subject.name}: learnt {learnt - began:.0f} s, judged {took:.0f} s", file=sys.stderr)
    return speeds, outcomes


def report(options: argparse.Namespace, speeds: dict[str, Speed], outcomes: Sequence[Outcome]) -> str:
    """The whole page."""
    versions = [f"- {subject.version()}" for subject in choose_filters(options)]
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "unknown")
    cores = len(os.sched_getaffinity(0))
    parts = [
        f"{time.strftime('%Y-%m-%d')}, {cores} cores of {cpu.partition(':')[2].strip()}, Python "
        f"{platform.python_version()}; peers learnt {options.train} messages (and {options.generated} generated ones), "
        f"seed {options.seed}",
        "\n".join(versions),
        speed_table(speeds),
    ]
    for form in dict.fromkeys(outcome.form for outcome in outcomes):
        rows = [outcome for outcome in outcomes if outcome.form == form]
        parts += [f"{form} form", accuracy_table(rows)]
    silent = [f"{o.name} gave no score for {o.unanswered} messages ({o.form})" for o in outcomes if o.unanswered]
    return "\n\n".join([*parts, *silent])


def as_json(options: argparse.Namespace, speeds: dict[str, Speed], outcomes: Sequence[Outcome]) -> str:
    """Everything in one line; a rate that does not exist is null."""

    def plain(values: dict[str, object]) -> dict[str, object]:
        return {
            key: (None if math.isnan(value) else round(value, 5)) if isinstance(value, float) else value
            for key, value in values.items()
        }

    return json.dumps(
        {
            "train": options.train,
            "generated": options.generated,
            "seed": options.seed,
            "speed": {name: plain(asdict(speed)) for name, speed in speeds.items()},
            "accuracy": [
                {**asdict(replace(outcome, results=[])), "results": [plain(asdict(r)) for r in outcome.results]}
                for outcome in outcomes
            ],
        }
    )


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=4000, help="messages of the train split that the peers learn")
    parser.add_argument("--generated", type=int, default=0, help="and messages of Waxseal's generator, which it learnt")
    parser.add_argument("--test", type=int, default=2000, help="messages of the test split, beside all of modern_dev")
    parser.add_argument("--timed", type=int, default=300, help="messages of these that are timed on one core")
    parser.add_argument("--only", action="append", type=str.lower, metavar="NAME", help="a filter (may be repeated)")
    parser.add_argument("--form", choices=("raw", "fresh", "both"), default="both")
    parser.add_argument("--corpus", type=Path, default=Path(__file__).parents[2] / "shared/corpus")
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--keep", action="store_true", help="leave the folder with what was learnt, and say where")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    return parser.parse_args(arguments)


def main() -> None:
    """Run, print."""
    options = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the daemons end as well
    scratch = Path(tempfile.mkdtemp(prefix="filter-"))
    scratch.chmod(0o755)  # spamd's children, once nobody, must reach their files
    try:
        speeds, outcomes = run(options, scratch)
    finally:
        if options.keep:
            print(scratch, file=sys.stderr)
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    if not options.json:
        print(report(options, speeds, outcomes), end="\n\n")
    print(as_json(options, speeds, outcomes))


if __name__ == "__main__":
    main()
