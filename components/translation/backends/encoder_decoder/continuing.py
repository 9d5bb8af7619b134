"""What an encoder-decoder model needs to go on with a translation that is begun."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from components.decoding.models.cross_attention import read_cross_attention
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer
from components.decoding.scorers import Vocabulary
from components.decoding.searches.forced_prefix import BegunText
from components.nodes.continuing import Attended
from components.text.languages import without_spaces
from components.translation.segments.prepared_text import Sentence

_INNER = "_antiphon_inner_tokens"
"""Attribute of a tokenizer with its inner tokens, once they were asked for."""


def begin_text(
    tokens: Sequence[int], tokenizer: Any, vocabulary: Vocabulary, sentence: Sentence
) -> BegunText:
    """Return what a translation begins with.

    Args:
        tokens: 1 or more.
        tokenizer: from transformers.
        vocabulary: of the model.
        sentence: that is translated.
    """
    if without_spaces(sentence.target or "und"):
        return BegunText(tuple(tokens))
    if not hasattr(tokenizer, _INNER):
        setattr(tokenizer, _INNER, _list_inner_tokens(tokenizer, vocabulary.size))
    return BegunText(tuple(tokens), getattr(tokenizer, _INNER))


def _list_inner_tokens(tokenizer: Any, size: int) -> list[int]:
    """Return the tokens that go on with a word; none where the vocabulary does not mark which begin one."""
    vocabulary = tokenizer.get_vocab()
    begins = {token for piece, token in vocabulary.items() if piece.startswith(("▁", "Ġ"))}
    special = set(tokenizer.all_special_ids)
    inner = set(vocabulary.values()) - begins - special if begins else set()
    return sorted(token for token in inner if token < size)


def find_attended(
    model: Any,
    scorer: Seq2SeqScorer,
    tokenizer: Any,
    source: Sequence[int],
    tokens: Sequence[int],
    forced: int,
) -> list[Attended]:
    """Return where the tokens of a translation look in its source, in characters.

    Args:
        model: the scorer's.
        scorer: over the source alone, not yet run.
        tokenizer: of the model.
        source: tokens of the source.
        tokens: of the translation, without its end.
        forced: how many of them are not the model's choice, at the beginning.

    Raises:
        ConfigError: the model's attention is not known.
    """
    if len(tokens) == forced:
        return []
    weights = read_cross_attention(model, scorer, torch.tensor(tokens))[forced:].cpu()
    special = set(tokenizer.all_special_ids)
    is_special = torch.tensor([token in special for token in source])
    peaks = weights.masked_fill(is_special, -1.0).argmax(-1).tolist()  # what is special stands for all
    ends, read = _find_ends(tokenizer, tokens)[forced:], _find_ends(tokenizer, source)
    return [Attended(end, read[peak]) for end, peak in zip(ends, peaks, strict=True)]


def _find_ends(tokenizer: Any, tokens: Sequence[int]) -> list[int]:
    """Return how many characters of a text there are up to the end of each token."""
    prefixes = (list(tokens[: n + 1]) for n in range(len(tokens)))
    texts = (tokenizer.decode(each, skip_special_tokens=True) for each in prefixes)
    return [len(" ".join(text.split())) for text in texts]
