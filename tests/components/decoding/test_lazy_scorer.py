"""A scorer that is skipped and catches up gives the scores of one that was never skipped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from components.decoding.mixing.lazy_scorer import LazyScorer
from components.decoding.models.causal import CausalModel
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import MultiTokenScorer, TokenScorer
from tests.components.decoding.models.test_whisper import member_of
from tests.components.decoding.tiny_models import SEQ2SEQ, llama, marian, packed_marian, sources
from tests.components.recognition.tiny import mels, tiny

PLAN = [[0, 0, 1, 1, 2, 2], [1, 0, 2, 3, 5, 4], [0, 0, 2, 2, 4, 5], [0, 3, 4, 5], [0, 2, 3], [1, 1, 2]]


def seq2seq(name: str) -> Callable[[], TokenScorer]:
    model = SEQ2SEQ[name](seed=1)
    ready = Seq2SeqModel(model, "digest", name)
    return lambda: ready.build_scorer(**sources(model, 3))


def packed() -> Callable[[], TokenScorer]:
    model = marian(seed=1)
    ready = packed_marian(model)
    return lambda: ready.build_scorer(**sources(model, 3))


def causal() -> Callable[[], TokenScorer]:
    ready = CausalModel(llama(), "digest", "llama")
    return lambda: ready.build_scorer([[5, 6, 7], [8, 9], [10, 11, 12, 13]])


@torch.inference_mode()
def whisper() -> Callable[[], TokenScorer]:
    model = tiny()
    features = model.encoder(mels(3))
    return lambda: member_of(model, features, [[50258, 50259 + i, 50359] for i in range(3)])


class OneByOne:
    """A scorer that takes one token at a time."""

    def __init__(self, inner: TokenScorer) -> None:
        self.name, self.vocabulary, self.limit = inner.name, inner.vocabulary, inner.limit
        self.prefill, self.step = inner.prefill, inner.step


MAKERS = {name: partial(seq2seq, name) for name in SEQ2SEQ} | {
    "packed": packed,
    "causal": causal,
    "whisper": whisper,
}


def tokens_of(step: int, rows: int) -> Tensor:
    return (torch.arange(rows) * 7 + step * 3) % 40 + 15


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("runs", [(0, 3, 5), (2, 4)])
@torch.inference_mode()
def test_skipping_changes_nothing(name: str, runs: tuple[int, ...]) -> None:
    make = MAKERS[name]()
    always, sometimes, plain = LazyScorer(make()), LazyScorer(make()), LazyScorer(OneByOne(make()))
    assert isinstance(sometimes.scorer, MultiTokenScorer)
    assert not isinstance(plain.scorer, MultiTokenScorer)
    if 0 in runs:
        torch.testing.assert_close(sometimes.run(), plain.run())
    always.run()
    for step, parents in enumerate(PLAN):
        tokens = tokens_of(step, len(parents))
        for scorer in (always, sometimes, plain):
            scorer.push(torch.tensor(parents), tokens)
        expected = always.run()
        if step in runs:
            torch.testing.assert_close(sometimes.run(), expected, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(plain.run(), expected, rtol=1e-4, atol=1e-4)
    assert always.calls == 1 + len(PLAN)
    assert sometimes.calls == 1 + len(runs)
    assert plain.calls == 2 + runs[-1]


def test_a_scorer_that_is_never_run_is_never_called() -> None:
    scorer = LazyScorer(seq2seq("marian")())
    scorer.push(torch.tensor([0, 1]), torch.tensor([5, 6]))
    scorer.push(torch.tensor([1, 1]), torch.tensor([5, 6]))
    assert scorer.calls == 0
