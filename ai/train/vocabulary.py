"""Widens an English vocabulary by the characters and frequent words of the other languages that we write mail in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

_UNKNOWN = "[UNK]"
_TIMES = 12  # a word must occur so often in training mail to get a token of its own


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A widened tokenizer; ``origins`` maps each new id to the old ids whose mean it starts from (may be empty)."""

    tokenizer: Tokenizer
    origins: Mapping[int, list[int]]


def widen(tokenizer: Tokenizer, texts: Iterable[str], most: int = 6500) -> Vocabulary:
    """Add the single characters that the vocabulary cannot write, then frequent words that fall into many pieces."""
    words: Counter[str] = Counter()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    known = tokenizer.get_vocab()
    fresh: dict[str, None] = {}
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for at, char in enumerate(word):
            characters[char if at == 0 else f"##{char}"] += count
    for piece, count in characters.most_common():
        if piece not in known and count >= 3 and len(fresh) < most:
            fresh[piece] = None
    pieces = {
        word: tokenizer.encode(word, add_special_tokens=False).tokens
        for word, count in words.items()
        if count >= _TIMES
    }
    worth = sorted(
        (-(len(split) - 1) * words[word], word)
        for word, split in pieces.items()
        if len(split) > 2 and word not in known
    )
    for _, word in worth[: max(0, most - len(fresh))]:
        fresh[word] = None
    stored = json.loads(tokenizer.to_str())
    origins = {}
    for number, piece in enumerate(fresh, len(known)):
        stored["model"]["vocab"][piece] = number
        split = tokenizer.encode(piece.removeprefix("##"), add_special_tokens=False)
        origins[number] = [one for one, token in zip(split.ids, split.tokens, strict=True) if token != _UNKNOWN]
    widened = Tokenizer.from_str(json.dumps(stored))
    widened.no_padding()
    widened.no_truncation()
    return Vocabulary(widened, origins)


def grow(embedding: torch.nn.Embedding, vocabulary: Vocabulary) -> torch.nn.Embedding:
    """An embedding with a row for every token: new ones start as the mean of their pieces, or small and random."""
    old = embedding.weight.data
    size = vocabulary.tokenizer.get_vocab_size()
    weight = torch.empty(size, old.shape[1]).normal_(0.0, 0.03)
    weight[: old.shape[0]] = old
    for number, pieces in vocabulary.origins.items():
        if pieces:
            weight[number] = old[pieces].mean(0)
    return torch.nn.Embedding(size, old.shape[1], padding_idx=embedding.padding_idx, _weight=weight)
