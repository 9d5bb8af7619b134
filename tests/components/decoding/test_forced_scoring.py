"""Reading several known tokens at once is taking them one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer
from components.decoding.searches import forced_scoring
from components.decoding.searches.forced_scoring import force_decode
from components.ensembling.token_level.combiners import LinearInterpolation
from tests.components.decoding.test_laws import FAMILIES
from tests.components.decoding.tiny_models import SEQ2SEQ, marian, packed_marian, sources

SEQUENCES = [(20, 21, 22, 23, 24, 25), (30, 31), (40, 41, 42, 43)]


def _makes(name: str) -> list[Callable[[], TokenScorer]]:
    if name in FAMILIES:
        return FAMILIES[name]()[0][:2]  # type: ignore[return-value]
    model = SEQ2SEQ.get(name, marian)()
    ready = packed_marian(model) if name == "packed" else Seq2SeqModel(model, "digest", name)
    return [partial(ready.build_scorer, **sources(model, 3))]


class StepByStep:
    """A scorer that can only be taken token by token."""

    def __init__(self, scorer: TokenScorer) -> None:
        self.name, self.vocabulary, self.limit = scorer.name, scorer.vocabulary, scorer.limit
        self.prefill, self.step = scorer.prefill, scorer.step


@pytest.mark.parametrize("columns", [1, 2, 100])
@pytest.mark.parametrize("name", [*FAMILIES, "packed", "m2m", "mbart", "t5"])
def test_forced_scores_in_blocks_are_those_step_by_step(
    name: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    makes = _makes(name)
    combiner = LinearInterpolation([0.6, 0.4]) if len(makes) > 1 else None
    run = partial(force_decode, sequences=SEQUENCES, combiner=combiner)
    expected = run([StepByStep(make()) for make in makes])
    scorers = [make() for make in makes]
    monkeypatch.setattr(forced_scoring, "MAX_SCORE_BYTES", columns * 4 * 3 * scorers[0].vocabulary.size)
    widths: list[int] = []
    score_tokens = type(scorers[0]).score_tokens  # type: ignore[attr-defined]

    def count(self: TokenScorer, beam_indices: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        widths.append(tokens.shape[1])
        return score_tokens(self, beam_indices, tokens)  # type: ignore[no-any-return]

    monkeypatch.setattr(type(scorers[0]), "score_tokens", count)
    for one, two in zip(run(scorers), expected, strict=True):
        assert one.tokens == two.tokens
        torch.testing.assert_close(one.log_probs, two.log_probs, atol=1e-4, rtol=0)
        torch.testing.assert_close(one.member_log_probs, two.member_log_probs, atol=1e-4, rtol=0)
    assert sum(widths) == 5 * len(makes)  # the last token of the longest sequence is not run
    assert max(widths) == {1: 2, 2: 3, 100: 5}[columns]  # more columns where fewer rows are left
