"""Monte-Carlo dropout: one thinned network per utterance, whatever the search does to the rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel

from components.decoding.config import SearchConfig
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.forced_scoring import force_decode
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import LinearInterpolation
from components.ensembling.token_level.dropout import DropoutScorer
from components.errors import ConfigError
from tests.components.decoding.tiny_models import marian, only, ready_to_end, sources

LENGTH = 8


def make_dropout_scorer(
    model: Any, inputs: dict[str, torch.Tensor], seed: int, keys: list[int] | None = None
) -> DropoutScorer:
    model.config.dropout = 0.2
    for module in model.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.2
    return DropoutScorer(Seq2SeqModel(model, "digest", "tiny").build_scorer(**inputs), seed, keys=keys)


def gpt2() -> Any:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=60, n_positions=64, n_embd=32, n_layer=2, n_head=4, initializer_range=0.3)
    model = GPT2LMHeadModel(config)
    model.generation_config = GenerationConfig(pad_token_id=0, eos_token_id=1)
    return ready_to_end(model)


def test_forcing_what_was_found_gives_its_score() -> None:
    model = marian()
    inputs, rules = sources(model, 3), logits_processors_of(model)
    result = search(
        [make_dropout_scorer(model, inputs, 1)],
        SearchConfig(beam_size=3, max_new_tokens=LENGTH),
        logits_processors=rules,
    )
    best = [candidates[0] for candidates in result]
    sequences = [(*c.tokens, *(() if c.eos_token is None else (c.eos_token,))) for c in best]
    forced = force_decode(
        [make_dropout_scorer(model, inputs, 1)], sequences, logits_processors=rules, max_new_tokens=LENGTH
    )
    assert [c.score for c in forced] == pytest.approx([c.score for c in best], abs=1e-4)
    other = force_decode(
        [make_dropout_scorer(model, inputs, 2)], sequences, logits_processors=rules, max_new_tokens=LENGTH
    )
    assert all(abs(a.score - b.score) > 1e-3 for a, b in zip(other, best, strict=True))


@pytest.mark.parametrize("kind", ["marian", "gpt2"])
@torch.inference_mode()
def test_the_mask_is_the_same_at_all_positions_and_follows_the_rows(kind: str) -> None:
    def member() -> DropoutScorer:
        if kind == "marian":
            return make_dropout_scorer(model, sources(model, 2), 5)
        prompts = [[*range(5, 15), 20], [*range(5, 15), 30, 31]]
        return DropoutScorer(CausalModel(model, "digest", "tiny").build_scorer(prompts), 5)

    model = {"marian": marian, "gpt2": gpt2}[kind]()
    step, whole = member(), member()
    torch.testing.assert_close(step.prefill(), whole.prefill())
    parents = torch.tensor([0, 0, 1, 1])
    rows = torch.tensor([[20, 21, 22], [30, 31, 32], [20, 21, 22], [40, 41, 42]])
    step.step(parents, rows[:, 0])
    step.step(torch.tensor([0, 1, 2, 3]), rows[:, 1])
    last = step.step(torch.tensor([1, 0, 3, 2]), rows[:, 2])
    swapped = torch.cat([rows[[1, 0, 3, 2], :2], rows[:, 2:]], dim=1)
    torch.testing.assert_close(last, whole.step_many(parents, swapped), rtol=1e-4, atol=1e-4)


def test_an_utterance_keeps_its_masks_in_any_batch() -> None:
    model = marian()
    inputs, config = sources(model, 3), SearchConfig(beam_size=2, max_new_tokens=LENGTH)
    together = search(
        [make_dropout_scorer(model, inputs, 1, [7, 8, 9])],
        config,
        logits_processors=logits_processors_of(model),
    )
    alone = search(
        [make_dropout_scorer(model, only(inputs, 1), 1, [8])],
        config,
        logits_processors=logits_processors_of(model),
    )
    assert alone[0][0].tokens == together[1][0].tokens
    assert alone[0][0].score == pytest.approx(together[1][0].score, abs=1e-4)


@torch.inference_mode()
def test_two_seeds_are_two_members_and_none_of_them_is_the_model() -> None:
    model = marian()
    inputs = sources(model, 2)
    first, again, second = (make_dropout_scorer(model, inputs, seed).prefill() for seed in (1, 1, 2))
    ready = Seq2SeqModel(model, "digest", "tiny")
    plain = ready.build_scorer(**inputs).prefill()
    faint = DropoutScorer(ready.build_scorer(**inputs), 1, rate=1e-6).prefill()
    torch.testing.assert_close(faint, plain, atol=1e-3, rtol=1e-3)
    assert torch.equal(first, again)
    assert not torch.allclose(first, second, atol=1e-2)
    assert not torch.allclose(first, plain, atol=1e-2)
    members = [make_dropout_scorer(model, inputs, seed) for seed in (1, 2)]
    (mixed, _) = search(
        members, SearchConfig(beam_size=2, max_new_tokens=LENGTH), combiner=LinearInterpolation([0.5, 0.5])
    )
    assert len(mixed[0].member_log_probs) == 2


def test_without_dropout_there_is_nothing_to_draw() -> None:
    model = marian()
    ready = Seq2SeqModel(model, "digest", "tiny")
    with pytest.raises(ConfigError, match="tiny: expected a model with dropout"):
        search([DropoutScorer(ready.build_scorer(**sources(model, 2)), 1)], SearchConfig(beam_size=1))
    with pytest.raises(ConfigError, match="dropout rate between 0 and 1"):
        DropoutScorer(ready.build_scorer(**sources(model, 2)), 1, rate=1.5)
    with pytest.raises(ConfigError, match="a key for each of 2 utterances, found 1"):
        DropoutScorer(ready.build_scorer(**sources(model, 2)), 1, keys=[3]).prefill()
