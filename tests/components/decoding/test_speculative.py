"""Speculative decoding writes what plain greedy search writes, whatever the draft model proposes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch

from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.constraints.token_constraints import no_repeat_ngram
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer
from components.decoding.searches.search import search
from components.decoding.searches.speculative import Draft
from components.ensembling.token_level.combiners import LinearInterpolation
from components.errors import ConfigError
from components.recognition.whisper.backend import ModelDimensions
from components.recognition.whisper.logits_processors import whisper_logits_processors
from tests.components.decoding.models.test_whisper import member_of
from tests.components.decoding.test_search import Table
from tests.components.decoding.tiny_models import llama, marian, mbart, packed_marian, sources, t5
from tests.components.recognition.tiny import mels, tiny

Make = Callable[[], TokenScorer]
GREEDY = SearchConfig(beam_size=1, max_new_tokens=12, entropies=True)


def _blend(model: Any, other: Any, share: float) -> Any:
    """The model, moved by ``share`` to the other: a draft model that is often right."""
    with torch.no_grad():
        for one, two in zip(model.parameters(), other.parameters(), strict=True):
            one.lerp_(two, share)
    return model


def _seq2seq(make: Callable[..., Any], prepare: Callable[[Any], Seq2SeqModel]) -> Any:
    inputs = sources(make(), 4)
    models = [make(), make(seed=1), _blend(make(), make(seed=2), 0.1)]
    processors = [*logits_processors_of(models[0]), no_repeat_ngram(2)]
    return [partial(prepare(model).build_scorer, **inputs) for model in models], processors


def _causal() -> tuple[list[Make], list[LogitsProcessor]]:
    models = [llama(), llama(seed=1), _blend(llama(), llama(seed=2), 0.1)]
    prompts = [[5, 6, 7], [8, 9], [10, 11], [12] * 6]
    ready = [CausalModel(model, "digest", f"llama {n}") for n, model in enumerate(models)]
    return [partial(each.build_scorer, prompts) for each in ready], logits_processors_of(models[0])


@torch.inference_mode()
def _whisper() -> tuple[list[Make], list[LogitsProcessor]]:
    makes = []
    for seed in (0, 1, 2):
        model = tiny()
        torch.manual_seed(seed)
        for parameter in model.decoder.blocks.parameters():
            parameter.add_((0.02, 0.02, 0.0)[seed] * torch.randn(parameter.shape))
        makes.append(
            partial(member_of, model, model.encoder(mels(2)), [[50258, 50259 + i, 50359] for i in range(2)])
        )
    dims = ModelDimensions(80, 64, tiny().dims.n_vocab)
    return makes, whisper_logits_processors(dims.get_tokenizer(None, "transcribe"), True)


def _plain(model: Any) -> Seq2SeqModel:
    return Seq2SeqModel(model, "digest", "plain")


FAMILIES = {
    "packed marian": partial(_seq2seq, marian, packed_marian),
    "mbart": partial(_seq2seq, mbart, _plain),
    "t5": partial(_seq2seq, t5, _plain),
    "causal": _causal,
    "whisper": _whisper,
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> tuple[list[Make], Sequence[LogitsProcessor]]:
    return FAMILIES[request.param]()


@pytest.mark.parametrize(("combine", "n_tokens"), [(None, 1), (LinearInterpolation([0.4, 0.6]), 4)])
def test_output_is_that_of_greedy_search(
    family: tuple[list[Make], Sequence[LogitsProcessor]], combine: Any, n_tokens: int
) -> None:
    (first, second, near), processors = family
    members = [first] if combine is None else [first, second]
    run = partial(search, config=GREEDY, logits_processors=processors, combiner=combine)
    plain_calls, calls = Counter[int](), Counter[int]()
    plain = run([make() for make in members], calls=plain_calls)
    for drafter in (near, first):
        calls.clear()
        found = run(
            [make() for make in members], guidance=Guidance(draft=Draft(drafter(), n_tokens)), calls=calls
        )
        for (one,), (two,) in zip(found, plain, strict=True):
            assert (one.tokens, one.eos_token) == (two.tokens, two.eos_token)
            assert one.log_probs == pytest.approx(two.log_probs, abs=2e-4)
            assert one.entropies == pytest.approx(two.entropies, abs=2e-3)
            assert one.margins == pytest.approx(two.margins, abs=2e-3)
            for member, other in zip(one.member_log_probs, two.member_log_probs, strict=True):
                assert member == pytest.approx(other, abs=2e-4)
    if combine is None and plain_calls[0] > 4:  # the model as its own draft: all that it proposes is right
        longest = max(len(c.log_probs) for (c,) in plain)
        assert calls[0] == 1 + -(-(longest - 1) // (n_tokens + 1))


def test_what_ends_within_a_draft_ends() -> None:
    """Rows of different lengths: each ends where greedy search ends, and the rest of the draft is dropped."""
    models = [llama(seed=seed) for seed in (3, 4)]
    ready = [CausalModel(model, "digest", "llama") for model in models]
    prompts = [[5 + i, 6 + 2 * i] for i in range(12)]
    config = SearchConfig(beam_size=1, max_new_tokens=20)
    processors = logits_processors_of(models[0])
    plain = search([ready[0].build_scorer(prompts)], config, logits_processors=processors)
    assert len({len(c.tokens) for (c,) in plain}) > 3
    assert any(c.finished for (c,) in plain)
    for n_tokens in (2, 7):
        for drafter in ready:
            found = search(
                [ready[0].build_scorer(prompts)],
                config,
                logits_processors=processors,
                guidance=Guidance(draft=Draft(drafter.build_scorer(prompts), n_tokens)),
            )
            assert [(c.tokens, c.eos_token) for (c,) in found] == [(c.tokens, c.eos_token) for (c,) in plain]


@pytest.mark.parametrize(
    ("config", "draft", "fault"),
    [
        (
            SearchConfig(beam_size=2),
            Table(2),
            "draft: expected greedy search .beam_size 1., found beam_size 2",
        ),
        (
            GREEDY,
            Table(2, name="other", digest="e"),
            "draft: expected the vocabulary of table .* found other",
        ),
        (GREEDY, Table(2), "draft: expected models that can forget tokens, found table"),
    ],
)
def test_what_cannot_be_drafted_is_refused(config: SearchConfig, draft: Table, fault: str) -> None:
    draft.limit = 1000
    with pytest.raises(ConfigError, match=fault):
        search([Table(2)], config, guidance=Guidance(draft=Draft(draft, 4)))
