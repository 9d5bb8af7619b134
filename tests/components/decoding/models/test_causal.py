"""A decoder-only member under our search is that model's own ``generate``, token for token."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, GenerationConfig

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.searches.search import search
from components.errors import ConfigError
from tests.components.decoding.tiny_models import generated, llama, marian, ready_to_end

LENGTH = 10


def gemma(vocabulary: int = 60, seed: int = 0, first_layer: str = "sliding_attention") -> Any:
    """Gemma 3: layers that see a sliding window beside layers that see everything."""
    torch.manual_seed(seed)
    model = Gemma3ForCausalLM(
        Gemma3TextConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=8,
            sliding_window=6,
            layer_types=[first_layer, "full_attention"],
            max_position_embeddings=128,
            initializer_range=0.3,
        )
    )
    model.generation_config = GenerationConfig(pad_token_id=0, eos_token_id=[1, 2])
    return ready_to_end(model)


MODELS = {"llama": llama, "gemma": gemma}


def prompts(n: int = 4, shared: int = 0) -> list[list[int]]:
    generator = torch.Generator().manual_seed(n)
    head = torch.randint(3, 60, (shared,), generator=generator).tolist()
    return [head + torch.randint(3, 60, (2 + (3 * i) % 7,), generator=generator).tolist() for i in range(n)]


def padded(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    width = max(map(len, rows))
    return {
        "input_ids": torch.tensor([[0] * (width - len(row)) + row for row in rows]),
        "attention_mask": torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows]),
    }


def ours(model: Any, rows: list[list[int]], **settings: Any) -> list[list[Candidate]]:
    ready = CausalModel(model, "digest", "tiny")
    config = SearchConfig(max_new_tokens=LENGTH, **settings)
    results = search([ready.build_scorer(rows)], config, logits_processors=logits_processors_of(model))
    again = search([ready.build_scorer(rows)], config, logits_processors=logits_processors_of(model))
    assert [[c.tokens for c in u] for u in results] == [[c.tokens for c in u] for u in again]
    return results


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shared", [0, 12])
@pytest.mark.parametrize("beam", [1, 2, 4])
def test_search_is_generate(name: str, shared: int, beam: int) -> None:
    model, rows = MODELS[name](seed=beam), prompts(shared=shared)
    inputs = padded(rows)
    reference = generated(
        model,
        inputs,
        prompt=inputs["input_ids"].shape[1],
        num_beams=beam,
        num_return_sequences=beam,
        max_new_tokens=LENGTH,
    )
    results = ours(model, rows, beam_size=beam, n_best=beam)
    assert [[c.tokens for c in utterance] for utterance in results] == [[t for t, _ in u] for u in reference]


SETTINGS: dict[str, dict[str, Any]] = {
    "min_length": {"min_length": 14, "sequence_bias": {(1,): 9.0}},  # of prompt and output
    "min_length beside min_new_tokens": {"min_length": 14, "min_new_tokens": 2},
    "forced_bos_token_id": {"forced_bos_token_id": 7, "begin_suppress_tokens": [8, 11]},
    "sequence_bias": {"sequence_bias": {(20,): 3.0, (20, 20): -9.0, (1,): 4.0}},
    "forbidden": {"bad_words_ids": [[5], [9]], "suppress_tokens": [6], "forced_eos_token_id": 1},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("beam", [1, 3])
def test_generation_settings_are_those_of_generate_for_each_prompt(name: str, beam: int) -> None:
    model, rows = llama(), prompts()
    assert len(set(map(len, rows))) > 1
    for setting, value in SETTINGS[name].items():
        setattr(model.generation_config, setting, value)
    member = CausalModel(model, "digest", "tiny").build_scorer(rows)
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=LENGTH)
    results = search([member], config, logits_processors=logits_processors_of(model, prompts=rows))
    for row, candidates in zip(rows, results, strict=True):
        several = {"num_beams": beam, "num_return_sequences": beam, "max_new_tokens": LENGTH}
        (reference,) = generated(model, padded([row]), prompt=len(row), **several)
        assert [c.tokens for c in candidates] == [tokens for tokens, _ in reference]


def test_settings_that_are_not_implemented_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    model = llama()
    model.generation_config.update(repetition_penalty=1.1, exponential_decay_length_penalty=(5, 1.2))
    model.generation_config.no_repeat_ngram_size = 3
    CausalModel(model, "digest", "tiny")
    Seq2SeqModel(marian(), "digest", "plain")
    (record,) = caplog.records
    assert record.getMessage() == (
        "tiny: its generation settings ask for repetition_penalty=1.1, exponential_decay_length_penalty="
        "(5, 1.2), no_repeat_ngram_size=3 in prompts too, which Antiphon's search does not implement: "
        "decoding goes on without"
    )


def test_one_prompt_alone_gives_what_it_gives_in_a_batch() -> None:
    model, rows = llama(), prompts(5, shared=10)
    together = ours(model, rows, beam_size=3, n_best=3)
    for row, expected in zip(rows, together, strict=True):
        alone = ours(model, [row], beam_size=3, n_best=3)[0]
        assert [c.tokens for c in alone] == [c.tokens for c in expected]
        assert alone[0].score == pytest.approx(expected[0].score, abs=1e-4)


def test_several_eos_tokens_end_a_sequence() -> None:
    results = ours(llama(seed=3), prompts(8), beam_size=4, n_best=4)
    assert any(c.finished for u in results for c in u)
    assert not any({1, 2} & set(c.tokens) for u in results for c in u)


def test_prompts_that_do_not_fit_are_refused() -> None:
    ready = CausalModel(llama(), "digest", "tiny")
    with pytest.raises(ConfigError, match="below 64 tokens, found 70"):
        ready.build_scorer([[5] * 70])
    with pytest.raises(ConfigError, match="empty"):
        ready.build_scorer([[5], []])


def test_a_window_that_no_layer_has_does_not_keep_prompts_apart() -> None:
    """Gemma's configuration names its window even where every layer sees everything."""
    assert CausalModel(gemma(first_layer="full_attention"), "digest", "tiny").shares_prefix
    assert not CausalModel(gemma(), "digest", "tiny").shares_prefix
