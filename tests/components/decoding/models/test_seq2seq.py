"""An encoder-decoder member under our search is that model's own ``generate``, token for token."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import MarianScorer, Seq2SeqModel
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer
from components.decoding.searches.forced_scoring import force_decode
from components.decoding.searches.search import search
from components.errors import ConfigError
from tests.components.decoding.tiny_models import SEQ2SEQ, generated, marian, only, packed_marian, sources

LENGTH = 12


def ours(
    model: Any, inputs: dict[str, torch.Tensor], ready: Seq2SeqModel | None = None, **settings: Any
) -> list[list[Candidate]]:
    ready = ready or Seq2SeqModel(model, "digest", "tiny")
    settings.setdefault("max_new_tokens", LENGTH)
    return search(
        [ready.build_scorer(**inputs)],
        SearchConfig(**settings),
        logits_processors=logits_processors_of(model),
    )


def same(results: list[list[Candidate]], reference: list[list[tuple[tuple[int, ...], float | None]]]) -> None:
    assert [[c.tokens for c in utterance] for utterance in results] == [[t for t, _ in u] for u in reference]
    for utterance, expected in zip(results, reference, strict=True):
        for candidate, (_, score) in zip(utterance, expected, strict=True):
            if score is not None:
                assert candidate.normalized_score == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("name", SEQ2SEQ)
@pytest.mark.parametrize("seed", range(3))
def test_greedy_is_generate(name: str, seed: int) -> None:
    model = SEQ2SEQ[name](seed=seed)
    inputs = sources(model)
    same(ours(model, inputs, beam_size=1), generated(model, inputs, num_beams=1, max_new_tokens=LENGTH))


@pytest.mark.parametrize("name", SEQ2SEQ)
@pytest.mark.parametrize("beam", [2, 3, 5])
@pytest.mark.parametrize(("penalty", "early"), [(1.0, False), (0.0, "never"), (0.6, True), (2.0, "never")])
def test_beam_is_generate(name: str, beam: int, penalty: float, early: bool | str) -> None:
    model = SEQ2SEQ[name](seed=beam)
    inputs = sources(model)
    shared = {"length_penalty": penalty, "early_stopping": early, "max_new_tokens": LENGTH}
    reference = generated(model, inputs, num_beams=beam, num_return_sequences=beam, **shared)
    same(ours(model, inputs, beam_size=beam, n_best=beam, **shared), reference)


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {"sequence_bias": [[[20], 3.0], [[9, 20], -9.0], [[20, 20], -9.0]]},  # 9 is mBART's start
        {"min_length": 9, "min_new_tokens": 2},
        {"suppress_tokens": [*range(15, 40)], "renormalize_logits": True},
    ],
)
def test_settings_are_those_of_generate(settings: dict[str, Any], beam: int) -> None:
    model = SEQ2SEQ["mbart"]()
    model.generation_config.update(forced_bos_token_id=None, begin_suppress_tokens=None, **settings)
    inputs = sources(model)
    reference = generated(model, inputs, num_beams=beam, num_return_sequences=beam, max_new_tokens=LENGTH)
    same(ours(model, inputs, beam_size=beam, n_best=beam), reference)


@pytest.mark.usefixtures("packed_layers")
@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("room", [4, 64])  # little room: the store grows, and forgets what no row sees
@pytest.mark.parametrize("kernels", ["own", "onednn"])
@pytest.mark.parametrize("seed", range(2))
def test_marian_on_packed_layers_is_generate(
    beam: int, room: int, kernels: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_KERNELS", kernels)
    monkeypatch.setattr("components.decoding.models.marian._INITIAL_CAPACITY", room)
    model = marian(seed=seed)
    inputs, ready = sources(model, 5), packed_marian(model)
    member = ready.build_scorer(**inputs)
    assert isinstance(member, MarianScorer)
    assert type(member.as_transformers_scorer()) is Seq2SeqScorer
    reference = generated(model, inputs, num_beams=beam, num_return_sequences=beam, max_new_tokens=LENGTH)
    same(ours(model, inputs, ready, beam_size=beam, n_best=beam), reference)
    drawn = {"beam_size": 1, "n_best": 3, "temperature": 1.5}  # rows of an utterance end at different times
    for one, two in zip(ours(model, inputs, ready, **drawn), ours(model, inputs, **drawn), strict=True):
        assert [c.tokens for c in one] == [c.tokens for c in two]


@pytest.mark.usefixtures("packed_layers")
@pytest.mark.parametrize("name", SEQ2SEQ)
@torch.inference_mode()
def test_packed_layers_give_the_same_scores(name: str) -> None:
    model = SEQ2SEQ[name](seed=2)
    model.get_output_embeddings()._forward_hooks.clear()  # a packed layer has none
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias.normal_()
    inputs, results = sources(model, 3), []
    for arithmetic in (None, "float32"):
        member = Seq2SeqModel(copy.deepcopy(model), "digest", name, arithmetic).build_scorer(**inputs)
        rows = [torch.tensor([0, 0, 1, 2]), torch.tensor([1, 2, 2])]
        results.append([member.prefill(), *(member.step(row, row + 20) for row in rows)])
    for plain, packed in zip(*results, strict=True):
        torch.testing.assert_close(packed, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("packed_layers")
@torch.inference_mode()
def test_a_model_whose_own_numbers_are_bfloat16() -> None:
    model = marian(seed=3)
    inputs, results = sources(model, 3), []
    for dtype in (torch.float32, torch.bfloat16):
        ready = packed_marian(copy.deepcopy(model).to(dtype))
        member = ready.build_scorer(**inputs)
        results.append(torch.stack([member.prefill(), member.step(torch.arange(3), torch.arange(3) + 20)]))
    assert (results[0] - results[1]).norm() < 0.05 * results[0].norm()


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_a_batch_is_its_utterances_alone(name: str) -> None:
    model = SEQ2SEQ[name](seed=5)
    inputs = sources(model, 5)
    together = ours(model, inputs, beam_size=3, n_best=3)
    for row, expected in enumerate(together):
        (alone,) = ours(model, only(inputs, row), beam_size=3, n_best=3)
        assert [c.tokens for c in alone] == [c.tokens for c in expected]
        assert [c.score for c in alone] == pytest.approx([c.score for c in expected], abs=1e-4)


@pytest.mark.parametrize("name", SEQ2SEQ)
def test_scores_are_those_of_one_uncached_pass(name: str) -> None:
    model = SEQ2SEQ[name](seed=6)
    inputs, processors = sources(model, 3), logits_processors_of(model)
    best = [candidates[0] for candidates in ours(model, inputs, beam_size=4)]
    forced = force_decode(
        [Seq2SeqModel(model, "digest", "tiny").build_scorer(**inputs)],
        [(*c.tokens, *([] if c.eos_token is None else [c.eos_token])) for c in best],
        logits_processors=processors,
        max_new_tokens=LENGTH,
    )
    start = model.generation_config.decoder_start_token_id
    for row, (candidate, again) in enumerate(zip(best, forced, strict=True)):
        assert candidate.score == pytest.approx(again.score, abs=1e-4)
        target = [start, *candidate.tokens, *([] if candidate.eos_token is None else [candidate.eos_token])]
        with torch.inference_mode():
            logits = model(**only(inputs, row), decoder_input_ids=torch.tensor([target[:-1]])).logits[0]
        values = logits.log_softmax(-1)[range(len(target) - 1), target[1:]].tolist()
        for value, log_prob in zip(values, candidate.log_probs, strict=True):
            assert log_prob in (pytest.approx(value, abs=1e-4), 0.0)  # 0 where a processor forced the token


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("decoder_start_token_id", "tiny: expected decoder_start_token_id in its generation settings"),
        ("eos_token_id", "expected an eos token in the generation settings of MarianMTModel, found none"),
    ],
)
def test_a_model_that_cannot_begin_or_end_is_refused(setting: str, message: str) -> None:
    model = marian()
    for settings in (model.generation_config, model.config):
        vars(settings)[setting] = None  # as read from a file that does not name it
    with pytest.raises(ConfigError, match=message):
        Seq2SeqModel(model, "digest", "tiny")
