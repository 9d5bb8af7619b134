"""Passes with dropout are the searches that one makes by hand with the same masks."""

from __future__ import annotations

from typing import Any

import pytest

from components.decoding.config import SearchConfig
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.search import search
from components.ensembling.token_level.checks import check_translators
from components.ensembling.token_level.dropout import DropoutScorer
from components.ensembling.token_level.dropout_passes import MAX_PASSES, DropoutPassesBackend
from components.errors import ConfigError
from components.records import NBest
from components.translation.config import EnsembleConfig
from components.translation.translator import Translator
from tests.components.translation.test_seq2seq import CHECKPOINT, plain, utterance

SEARCH = SearchConfig(beam_size=2, max_new_tokens=8)


def passes(count: int = 4, seed: int = 3, rate: float = 0.3) -> DropoutPassesBackend:
    model, tokenizer = plain()
    for module in model.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = rate
    return DropoutPassesBackend(Seq2SeqModel(model, "digest", "tiny"), tokenizer, SEARCH, count, seed)


def translate(backend: DropoutPassesBackend, *texts: Any) -> list[list[float]]:
    outcomes = Translator(backend, CHECKPOINT, n_best=4, batch_size=4, samples=True).translate(texts)
    return [[h.score for h in outcome.hypotheses] for outcome in outcomes if isinstance(outcome, NBest)]


def test_every_pass_is_the_search_with_its_masks() -> None:
    backend = passes()
    sentences = [backend.prepare(text, "en", "de") for text in ("abc", "de fg")]
    results = backend.decode(sentences)
    assert all([r.rank for r in each] == sorted((r.rank for r in each), reverse=True) for each in results)
    for number in range(4):
        (scorer,) = backend.build_scorers(sentences)
        masks = DropoutScorer(scorer, 3 * MAX_PASSES + number, keys=[0, 0])
        rules = logits_processors_of(backend._model.model)
        for row, candidates in enumerate(search([masks], SEARCH, logits_processors=rules)):
            (found,) = [result for result in results[row] if result.draw == number]
            assert found.score == pytest.approx(candidates[0].score, abs=1e-5)


def test_passes_differ_and_depend_on_the_seed_and_the_utterance_only() -> None:
    one, two = utterance("abc de", "one"), utterance("abc de", "two")
    together = translate(passes(), one, two)
    for alone, scores in ((one, together[0]), (two, together[1])):
        assert translate(passes(), alone)[0] == pytest.approx(scores, abs=1e-4)
    assert len(set(together[0])) > 1
    assert together[0] != together[1]
    assert together[0] != translate(passes(seed=4), one)[0]


def test_a_model_without_dropout_and_several_models_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected a model with dropout"):
        translate(passes(rate=0.0), utterance("abc"))
    mixed = {"members": ["a", "b"], "mixing": {}, "sampling": {"dropout": True}}
    with pytest.raises(ConfigError, match="sampling: expected a single translator for dropout"):
        check_translators(EnsembleConfig.model_validate(mixed), None)
