"""Language models of text in a search that writes other tokens: shallow fusion, and density ratio.

A hypothesis gains ``weight`` times a language model's log-probability of its text (shallow fusion, Gulcehre
et al. 2015, https://arxiv.org/abs/1503.03535), and loses that of a model of the recognizer's own training
texts where there is one (density ratio, McDermott et al. 2019, https://arxiv.org/abs/2002.11268). The
language model reads the text, in tokens of its own. It is asked at the ends of words: a token that begins a
word adds the score of the word before. So a finished text has exactly the weighted log-probability that the
model gives the whole text and its end; what is approximate is the order of unfinished ones, which are without
their last word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from components.decoding.constraints.logits_processors import FORBIDDEN, History

TOKENS_PER_ROW = 24
"""Tokens of each row that are scored: the likeliest of the search; the others are left out."""


class TextModel(Protocol):
    """A language model of text."""

    def score(self, texts: Sequence[str], end: bool = True) -> list[float]:
        """Return log-probabilities (nats) of texts, with their end or as beginnings of longer ones."""


class WeightedTextModel(NamedTuple):
    """A language model and its weight, below 0 for one that is subtracted."""

    model: TextModel
    weight: float


class TextFusion:
    """A :data:`~.logits_processors.LogitsProcessor` of one search that adds scores of language models.

    Args:
        models: the language models.
        decode: tokens so far -> text.
        eos: the tokens that end a text.
    """

    def __init__(
        self,
        models: Sequence[WeightedTextModel],
        decode: Callable[[Sequence[int]], str],
        eos: Sequence[int],
    ) -> None:
        self._models, self._decode, self._eos = models, decode, frozenset(eos)
        self._scores: dict[tuple[str, bool], float] = {("", False): 0.0}

    def __call__(self, log_probs: Tensor, history: History) -> Tensor:
        """Return the scores (R, V) of log-probabilities (R, V); tokens that are left out have -inf."""
        values, tokens = log_probs.topk(min(TOKENS_PER_ROW, log_probs.shape[1]), dim=-1)
        rows = history.tokens.tolist()
        before = [(complete_words(self._decode(row)), False) for row in rows]
        after = [
            [self._text_after(row, token) for token in candidates]
            for row, candidates in zip(rows, tokens.tolist(), strict=True)
        ]
        self._score({*before, *(text for row in after for text in row)})
        added = [
            [self._scores[text] - self._scores[start] for text in row]
            for start, row in zip(before, after, strict=True)
        ]
        joint = values + torch.tensor(added).to(values)
        return torch.full_like(log_probs, FORBIDDEN).scatter(1, tokens, joint)

    def _text_after(self, row: Sequence[int], token: int) -> tuple[str, bool]:
        """Return the text that is scored after a token, and whether it has ended."""
        if token in self._eos:
            return self._decode(row).strip(), True
        return complete_words(self._decode([*row, token])), False

    def _score(self, texts: set[tuple[str, bool]]) -> None:
        for end in (False, True):
            missing = sorted(text for text, ended in texts - self._scores.keys() if ended == end)
            if missing:
                columns = [
                    [weight * score for score in model.score(missing, end=end)]
                    for model, weight in self._models
                ]
                self._scores |= {(t, end): sum(each) for t, *each in zip(missing, *columns, strict=True)}


def complete_words(text: str) -> str:
    """Return the words of an unfinished text that are complete: all but the last, which may go on."""
    head, _, _ = text.strip().rpartition(" ")
    return head.strip()
