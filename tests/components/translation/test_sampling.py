"""Samples of translators: seeded by utterance, joined by number, kept when equal, refused beside a beam."""

from __future__ import annotations

from typing import Any

import pytest

from components.decoding.models.seq2seq import Seq2SeqModel
from components.errors import ConfigError
from components.models.architectures import EDIT_DIFFUSION
from components.records import Checkpoint
from components.translation.backends import backend_for
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
from components.translation.config import TranslationConfig, search_config_of
from components.translation.segments.sentences import combine_draws
from components.translation.translator import Translator
from tests.components.translation.test_seq2seq import CHECKPOINT, plain, utterance

SAMPLING = {"count": 6, "temperature": 1.5}


def sampler(seed: int = 0, **settings: Any) -> Translator:
    model, tokenizer = plain()
    config = TranslationConfig.model_validate({"sampling": SAMPLING, "max_tokens": 8, **settings})
    backend = Seq2SeqBackend(Seq2SeqModel(model, "digest", "tiny"), tokenizer, search_config_of(config, seed))
    return Translator(backend, CHECKPOINT, n_best=6, batch_size=4, samples=True)


def texts_of(outcome: Any) -> list[str]:
    return [hypothesis.text for hypothesis in outcome.hypotheses]


def test_samples_depend_on_the_seed_and_the_utterance_and_not_on_the_batch() -> None:
    texts = [utterance("abc", "one"), utterance("abc", "two"), utterance("de fg", "three")]
    together = [texts_of(outcome) for outcome in sampler().translate(texts)]
    assert together == [texts_of(*sampler().translate([each])) for each in texts]
    assert together[0] != together[1]  # of the same text
    assert together[0] != texts_of(*sampler(seed=1).translate(texts[:1]))
    assert [len(each) for each in together] == [6, 6, 6]


def test_samples_are_sorted_by_score_and_equal_ones_are_kept() -> None:
    (outcome,) = sampler(sampling={"count": 6, "top_k": 1}).translate([utterance("abc")])
    assert len(outcome.hypotheses) == 6
    assert len(set(texts_of(outcome))) == 1
    (outcome,) = sampler().translate([utterance("abc. De? Fg!")])
    ranks = [hypothesis.features["rank"] for hypothesis in outcome.hypotheses]
    assert ranks == sorted(ranks, reverse=True)


def test_a_sample_of_a_text_is_the_same_number_of_each_of_its_sentences() -> None:
    assert combine_draws([[1, 0, 2], [2, 1, 0]], [[-1, -2, -3], [-1, -2, -9]]) == [
        (0, 1),  # sample 1: -1 and -2
        (2, 0),  # sample 2: -3 and -1
        (1, 2),  # sample 0: -2 and -9
    ]
    assert combine_draws([], []) == [()]


def test_samples_that_are_no_translations_leave_as_many_as_the_sentence_with_the_fewest_has() -> None:
    """A served model's refusals and a causal model's repeated instructions are left out of a sentence's."""
    assert combine_draws([[2, 0]], [[-1, -2]]) == [(0,), (1,)]
    fewest_last = combine_draws([[1, 0, 2], [3, 1]], [[-1, -2, -3], [-1, -2]])
    assert fewest_last == [(0, 0), (1, 1)]  # samples 1 and 3: -1 and -1; 0 and 1: -2 and -2
    assert combine_draws([[3, 1], [1, 0, 2]], [[-1, -2], [-1, -2, -3]]) == [(0, 0), (1, 1)]


def test_statistics_of_tokens_are_kept_on_request() -> None:
    (without,), (kept,) = (sampler(entropies=keeps).translate([utterance("abc")]) for keeps in (False, True))
    assert without.best.text == kept.best.text
    assert all(token.entropy is None and token.margin is None for token in without.best.tokens)
    assert all(token.entropy is not None and token.margin is not None for token in kept.best.tokens)
    assert "entropy" not in without.model_dump_json()


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"beam_size": 2}, "sampling: expected no beam_size beside it"),
        ({"n_best": 2}, "sampling: expected no n_best beside it"),
        ({"context": {"sentences": 1}}, "sampling: expected no context beside it"),
        ({"sampling": {"dropout": True, "top_p": 0.5}}, "dropout: expected no top_p beside it"),
        ({"sampling": {"epsilon": 1.0}}, "less than 1"),
    ],
)
def test_what_samples_would_ignore_is_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        TranslationConfig.model_validate({"sampling": SAMPLING, **settings})


def test_passes_with_dropout_have_a_beam() -> None:
    config = TranslationConfig.model_validate({"sampling": {"dropout": True}, "beam_size": 1})
    assert (search_config_of(config).beam_size, search_config_of(config).temperature) == (1, 0.0)


@pytest.mark.parametrize(
    ("settings", "architecture", "fault"),
    [
        ({"sampling": SAMPLING}, EDIT_DIFFUSION, "sampling: expected a model that writes from left"),
        ({"entropies": True}, EDIT_DIFFUSION, "entropies: expected a model that writes from left"),
        ({"sampling": {"dropout": True}}, "LlamaForCausalLM", "sampling: expected an encoder-decoder"),
    ],
)
def test_models_that_cannot_draw_are_refused(settings: dict[str, Any], architecture: str, fault: str) -> None:
    checkpoint = Checkpoint(reference="m", path="/nowhere", sha256="0" * 64, architecture=architecture)
    with pytest.raises(ConfigError, match=fault):
        backend_for(architecture).refuse(TranslationConfig.model_validate(settings), checkpoint)
