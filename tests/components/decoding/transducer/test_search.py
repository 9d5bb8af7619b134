"""The searches of transducers against the sum over every alignment, written out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest

from components.decoding.transducer.model import LogProbs, steps_of
from components.decoding.transducer.search import beam_search, greedy_search, search

Text = tuple[int, ...]


class Table:
    """A transducer whose scores are random numbers by frame and text; its state is the text itself."""

    blank = 2

    def __init__(
        self, seed: int, durations: tuple[int, ...], n_frames: int = 3, max_symbols: int = 2
    ) -> None:
        self.durations, self.n_frames, self.max_symbols = durations, n_frames, max_symbols
        self._seed = seed

    def start(self) -> Text:
        return ()

    def advance(self, states: Sequence[Text], tokens: Sequence[int]) -> list[Text]:
        return [(*state, token) for state, token in zip(states, tokens, strict=True)]

    def score(self, frame: int, states: Sequence[Text]) -> tuple[LogProbs, LogProbs]:
        rows = [self._row(frame, state) for state in states]
        return np.stack([tokens for tokens, _ in rows]), np.stack([durations for _, durations in rows])

    def _row(self, frame: int, state: Text) -> tuple[LogProbs, LogProbs]:
        rng = np.random.default_rng([self._seed, frame, len(state), *state])
        tokens, durations = 2 * rng.normal(size=3), rng.normal(size=len(self.durations))
        return tokens - np.logaddexp.reduce(tokens), (
            durations - np.logaddexp.reduce(durations) if self.durations else durations
        )


def sum_over_alignments(model: Table) -> tuple[dict[Text, float], dict[Text, float]]:
    """Probability of every text, and of every beginning of a text, by following each alignment."""
    texts: dict[Text, float] = defaultdict(float)
    beginnings: dict[Text, float] = defaultdict(float)

    def prepare_step(frame: int, symbols: int, text: Text, probability: float) -> None:
        if frame >= model.n_frames:
            texts[text] += probability
            return
        (tokens,), (durations,) = model.score(frame, [text])
        for token in range(3):
            is_blank = token == model.blank
            for step, log_prob in steps_of(model, is_blank, durations):
                p = probability * math.exp(tokens[token] + log_prob)
                if is_blank:
                    prepare_step(frame + step, 0, text, p)
                    continue
                beginnings[(*text, token)] += p
                stays = step == 0 and symbols + 1 < model.max_symbols
                onward = frame if stays else frame + max(step, 1)
                prepare_step(onward, symbols + 1 if stays else 0, (*text, token), p)

    prepare_step(0, 0, (), 1.0)
    return texts, beginnings


@pytest.mark.parametrize("durations", [(), (0, 1, 2), (1, 2), (0, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_a_full_beam_gives_every_text_its_probability(durations: tuple[int, ...], seed: int) -> None:
    model = Table(seed, durations)
    texts, beginnings = sum_over_alignments(model)
    found = beam_search(model, 10_000)
    assert {h.tokens for h in found} == set(texts)
    assert len(texts) > 5
    assert sum(math.exp(hypothesis.log_prob) for hypothesis in found) == pytest.approx(1.0)
    for hypothesis in found:
        assert math.exp(hypothesis.log_prob) == pytest.approx(texts[hypothesis.tokens], rel=1e-9)
        for n, log_prob in enumerate(hypothesis.log_probs[:-1]):
            before = beginnings[hypothesis.tokens[:n]] if n else 1.0
            assert math.exp(log_prob) == pytest.approx(beginnings[hypothesis.tokens[: n + 1]] / before)
    assert [h.log_prob for h in found] == sorted((h.log_prob for h in found), reverse=True)


@pytest.mark.parametrize("durations", [(), (0, 1, 2)])
def test_a_narrow_beam_loses_probability_and_never_makes_any(durations: tuple[int, ...]) -> None:
    for seed in range(4):
        model = Table(seed, durations)
        texts, _ = sum_over_alignments(model)
        for hypothesis in search(model, 3, 2):
            assert math.exp(hypothesis.log_prob) <= texts[hypothesis.tokens] * (1 + 1e-9)
            assert max(hypothesis.log_probs) <= 1e-12
            assert list(hypothesis.frames) == sorted(hypothesis.frames)


@pytest.mark.parametrize("durations", [(), (0, 1, 2)])
def test_greedy_search_is_one_alignment_of_its_text(durations: tuple[int, ...]) -> None:
    for seed in range(4):
        model = Table(seed, durations)
        texts, _ = sum_over_alignments(model)
        hypothesis = greedy_search(model)
        if hypothesis.tokens in texts:  # a TDT may stay at a frame for more than two tokens
            assert math.exp(hypothesis.log_prob) <= texts[hypothesis.tokens] * (1 + 1e-9)
        assert len(hypothesis.frames) == len(hypothesis.tokens) == len(hypothesis.log_probs) - 1


def test_no_frames_are_no_words() -> None:
    model = Table(0, (), n_frames=0)
    assert [h.tokens for h in search(model, 4, 2)] == [()]
    assert greedy_search(model).tokens == ()
