"""The laws of ensembles at tiny random weights, beam and greedy: Marian, Whisper's decoder, a causal LM."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.constraints.logits_processors import LogitsProcessor
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer
from components.decoding.searches.forced_scoring import force_decode
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import (
    LinearInterpolation,
    LogLinearInterpolation,
    NegativeEvidence,
)
from tests.components.decoding.models.test_whisper import member_of
from tests.components.decoding.test_search import Table, everything, ids
from tests.components.decoding.tiny_models import llama, marian, only, sources
from tests.components.recognition.tiny import mels, tiny

LENGTH = 5
Make = Callable[[], TokenScorer]


def _marian() -> tuple[list[Make], list[LogitsProcessor]]:
    models = [marian(seed=seed) for seed in (0, 1, 2)]
    inputs = sources(models[0], 3)
    ready = [Seq2SeqModel(model, "digest", f"marian {n}") for n, model in enumerate(models)]
    return [partial(each.build_scorer, **inputs) for each in ready], logits_processors_of(models[0])


def _causal() -> tuple[list[Make], list[LogitsProcessor]]:
    models = [llama(seed=seed) for seed in (0, 1, 2)]
    ready = [CausalModel(model, "digest", f"llama {n}") for n, model in enumerate(models)]
    return [
        partial(each.build_scorer, [[5, 6, 7], [8, 9], [10, 11]]) for each in ready
    ], logits_processors_of(models[0])


@torch.inference_mode()
def _whisper() -> tuple[list[Make], list[LogitsProcessor]]:
    makes = []
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        model = tiny()
        for parameter in model.decoder.blocks.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape))
        prompts = [[50258, 50259 + i, 50359] for i in range(3)]
        makes.append(partial(member_of, model, model.encoder(mels(3)), prompts))
    return makes, []


FAMILIES = {"marian": _marian, "causal": _causal, "whisper": _whisper}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> tuple[list[Make], list[LogitsProcessor]]:
    return FAMILIES[request.param]()


def same(results: list[list[Candidate]], reference: list[list[Candidate]], scores: float = 1e-4) -> None:
    assert [[c.tokens for c in u] for u in results] == [[c.tokens for c in u] for u in reference]
    for one, two in zip(results, reference, strict=True):
        assert [c.score for c in one] == pytest.approx([c.score for c in two], abs=scores)


@pytest.mark.parametrize("beam", [1, 3])
def test_laws_of_one_and_many(family: tuple[list[Make], list[LogitsProcessor]], beam: int) -> None:
    (first, second, third), processors = family
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=LENGTH)
    run = partial(search, config=config, logits_processors=processors)
    alone = run([first()])
    for combine in (
        LinearInterpolation([0.2, 0.5, 0.3]),
        LogLinearInterpolation([0.4, 0.6]),
    ):  # N copies = one
        same(run([first() for _ in combine.weights], combiner=combine), alone)
    calls: Counter[int] = Counter()  # weights (1, 0) = the first, without a call of the second
    assert run([first(), second()], combiner=LinearInterpolation([1.0, 0.0]), calls=calls) == alone
    assert calls[0] > 0
    assert calls[1] == 0
    same(run([first(), second(), third()], combiner=NegativeEvidence(0.0)), alone)  # strength 0 = the core


@pytest.mark.parametrize(
    ("beam", "combine"), [(3, LinearInterpolation([0.6, 0.4])), (1, LogLinearInterpolation([0.7, 0.6]))]
)
def test_forcing_what_an_ensemble_found(
    family: tuple[list[Make], list[LogitsProcessor]], beam: int, combine: Combiner
) -> None:
    (first, second, _), processors = family
    config = SearchConfig(beam_size=beam, max_new_tokens=LENGTH)
    results = [
        u[0] for u in search([first(), second()], config, logits_processors=processors, combiner=combine)
    ]
    sequences = [(*c.tokens, *(() if c.eos_token is None else (c.eos_token,))) for c in results]
    forced = force_decode(
        [first(), second()], sequences, logits_processors=processors, combiner=combine, max_new_tokens=LENGTH
    )
    for candidate, again in zip(results, forced, strict=True):
        assert candidate.score == pytest.approx(again.score, abs=1e-4)
        assert (candidate.tokens, candidate.eos_token) == (again.tokens, again.eos_token)
        for scores_once, scores_again in zip(candidate.member_log_probs, again.member_log_probs, strict=True):
            assert scores_once == pytest.approx(scores_again, abs=1e-4)
        assert candidate.member_weights == again.member_weights


def test_a_batch_of_an_ensemble_is_its_utterances_alone() -> None:
    models = [marian(seed=seed) for seed in (0, 1)]
    inputs, processors = sources(models[0], 4), logits_processors_of(models[0])
    ready = [Seq2SeqModel(model, "digest", str(n)) for n, model in enumerate(models)]
    config = SearchConfig(beam_size=3, n_best=3, max_new_tokens=LENGTH)
    run = partial(
        search, config=config, logits_processors=processors, combiner=LinearInterpolation([0.5, 0.5])
    )
    together = run([each.build_scorer(**inputs) for each in ready])
    for row, expected in enumerate(together):
        same(run([each.build_scorer(**only(inputs, row)) for each in ready]), [expected])


@pytest.mark.parametrize("combine", [LinearInterpolation([0.3, 0.7]), LogLinearInterpolation([0.9, 0.4])])
def test_a_wide_beam_of_an_ensemble_is_brute_force(combine: Combiner) -> None:
    first, second = Table(2, seed=1), Table(2, seed=2)
    mixed = Table(2)
    tables = torch.stack([first.table, second.table])
    weights = torch.as_tensor(combine.constant_weights()).view(2, 1, 1, 1, 1)
    if isinstance(combine, LinearInterpolation):
        mixed.table = (weights * tables.exp()).sum(0).log()
    else:
        mixed.table = (weights * tables).sum(0).log_softmax(-1)
    config = SearchConfig(beam_size=150, n_best=10, max_new_tokens=4, early_stopping="never")
    for row, results in enumerate(search([first, second], config, combiner=combine)):
        ranked = sorted(everything(4), key=lambda s: -mixed.value(row, s) / len(s))
        assert [ids(c) for c in results] == ranked[:10]
        assert [c.score for c in results] == pytest.approx(
            [mixed.value(row, s) for s in ranked[:10]], abs=1e-5
        )


class Schedule:
    """A gate that goes by the step alone: members ``order[step]`` share the weight."""

    def __init__(self, order: list[tuple[int, ...]], lagged: bool) -> None:
        self.order, self.lagged = order, lagged

    def fits(self, n_members: int) -> bool:
        return n_members == 3

    def __call__(self, features: Tensor, steps: Tensor) -> Tensor:
        weights, members = torch.zeros(3, features.shape[1]), self.order[int(steps[0])]
        weights[list(members)] = 1 / len(members)
        return weights


@pytest.mark.parametrize("beam", [1, 3])
def test_a_gated_search_is_the_search_that_runs_all(
    family: tuple[list[Make], list[LogitsProcessor]], beam: int
) -> None:
    makes, processors = family
    order = [(0,), (0,), (1,), (0, 1), (1,)]
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=LENGTH)
    sparse, dense = Counter[int](), Counter[int]()
    results = {
        lagged: search(
            [make() for make in makes],
            config,
            logits_processors=processors,
            combiner=LinearInterpolation(Schedule(order, lagged)),
            calls=calls,
        )
        for lagged, calls in ((True, sparse), (False, dense))
    }
    same(results[True], results[False])
    steps = dense[0]
    assert dense[1] == dense[2] == steps
    assert sparse[2] == 0
    assert sparse[0] <= 3
    assert sparse[0] + sparse[1] < 2 * steps or steps < 3
    for candidate in results[True][0]:
        for place, value in enumerate(candidate.member_log_probs[2]):
            assert value is None
            assert [w[place] for w in candidate.member_weights] == pytest.approx(
                [float(m in order[place]) / len(order[place]) for m in range(3)]
            )
