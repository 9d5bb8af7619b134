"""Learned coefficients against grids and plain loops, and what is promised of them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from components.decoding.config import SearchConfig
from components.decoding.member_settings import MixingConfig
from components.decoding.searches.forced_scoring import force_decode
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import LinearInterpolation
from components.ensembling.token_level.learning import fitting
from components.ensembling.token_level.learning.coefficients import (
    LearnedCoefficients,
    fit_constants,
    fit_gate,
    fit_linear_weights,
    fit_log_linear_coefficients,
)
from components.ensembling.token_level.learning.gating_network import SoftmaxGate, reference_log_likelihood
from components.ensembling.token_level.learning.reference_log_probs import (
    MIN_LOG_PROB,
    ReferenceLogProbs,
    collect_log_probs,
    concatenate,
)
from components.ensembling.token_level.learning.weights_folder import read_combiner
from components.errors import AntiphonError, ConfigError, DataError, ModelError, StoreError
from components.translation.config import COEFFICIENTS_FILE
from tests.components.decoding.test_search import EOS, Table, ids


def development(members: int = 3, sentences: int = 30, size: int = 12, seed: int = 0) -> ReferenceLogProbs:
    """Members that are right to different degrees, one of them in the first half of the sentences only."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 9, (sentences,), generator=generator)
    steps = torch.cat([torch.arange(int(n)) for n in lengths])
    total = len(steps)
    truth = torch.randint(size, (total,), generator=generator)
    logits = torch.randn(members, total, size, generator=generator)
    strength = torch.tensor([3.0, 2.0, 0.3])[:members, None].expand(-1, total).clone()
    strength[0, steps > 3] = 0.0  # the best member is of no use after the third token
    logits[:, torch.arange(total), truth] += strength
    distributions = logits.log_softmax(-1)
    selected = distributions[:, torch.arange(total), truth]
    features = torch.randn(members, total, 4, generator=generator)
    of = torch.repeat_interleave(torch.arange(sentences), lengths)
    names = tuple("abcdef"[:members])
    return ReferenceLogProbs(names, selected, distributions, features, of, steps)


def mean(statistics: ReferenceLogProbs, weights: Tensor, kind: str) -> float:
    return float(reference_log_likelihood(statistics, weights, kind).mean())


@pytest.mark.parametrize("kind", ["linear", "log_linear"])
def test_likelihood_is_that_of_a_plain_loop(kind: str) -> None:
    statistics, weights = development(2, 3), [0.3, 0.7]
    total = 0.0
    for t in range(statistics.token_log_probs.shape[1]):
        p = statistics.distributions[:, t].exp().tolist()
        mixed = [
            sum(w * q for w, q in zip(weights, column, strict=True))
            if kind == "linear"
            else math.prod(q**w for w, q in zip(weights, column, strict=True))
            for column in zip(*p, strict=True)
        ]
        index = int((statistics.distributions[0, t] == statistics.token_log_probs[0, t]).nonzero()[0, 0])
        total += math.log(mixed[index] / sum(mixed))
    expected = total / statistics.token_log_probs.shape[1]
    assert mean(statistics, torch.tensor(weights), kind) == pytest.approx(expected, abs=1e-5)


def test_em_never_falls_and_ends_at_the_best_of_a_grid() -> None:
    statistics = development()
    weights, course = fit_linear_weights(statistics.token_log_probs)
    assert all(b >= a - 1e-12 for a, b in itertools.pairwise(course))
    assert float(weights.sum()) == pytest.approx(1)
    grid = [torch.tensor([a / 50, b / 50, (50 - a - b) / 50]) for a in range(51) for b in range(51 - a)]
    best = max(mean(statistics, point, "linear") for point in grid)
    assert mean(statistics, weights, "linear") >= best - 1e-9
    other, _ = fit_linear_weights(
        statistics.token_log_probs, torch.tensor([0.05, 0.05, 0.9]), iterations=5000
    )
    torch.testing.assert_close(other, weights, atol=1e-3, rtol=0)


def test_log_linear_has_one_optimum_whatever_the_start_and_no_grid_beats_it() -> None:
    statistics = development()
    result = [
        fit_log_linear_coefficients(statistics, torch.tensor(start))
        for start in ([0.0, 0.0, 0.0], [3.0, -2.0, 1.0], [1.0] * 3)
    ]
    for other in result[1:]:
        torch.testing.assert_close(other, result[0], atol=1e-4, rtol=0)
    to_the_last_bit = fit_log_linear_coefficients(statistics, tolerance=0.0)
    torch.testing.assert_close(to_the_last_bit, result[0], atol=1e-4, rtol=0)
    best = mean(statistics, result[0], "log_linear")
    for shift in itertools.product((-0.05, 0.0, 0.05), repeat=3):
        assert mean(statistics, result[0] + torch.tensor(shift), "log_linear") <= best + 1e-5
    for point in itertools.product((0.0, 0.5, 1.0, 1.5), repeat=3):
        assert mean(statistics, torch.tensor(point), "log_linear") <= best + 1e-5


def test_a_member_twice_shares_its_coefficient() -> None:
    statistics = development(2)
    twice = ReferenceLogProbs(
        ("a", "b", "b"),
        statistics.token_log_probs[[0, 1, 1]],
        statistics.distributions[[0, 1, 1]],
        statistics.features[[0, 1, 1]],
        statistics.sentences,
        statistics.steps,
    )
    c = fit_log_linear_coefficients(twice)
    assert float(c[1]) == pytest.approx(float(c[2]), abs=1e-3)


@pytest.mark.parametrize("kind", ["linear", "log_linear"])
@pytest.mark.parametrize("seed", range(3))
def test_learned_is_never_below_uniform_on_development_data(kind: str, seed: int) -> None:
    statistics = development(seed=seed)
    constants = fit_constants(statistics, kind)  # type: ignore[arg-type]
    gate = fit_gate(statistics, kind)  # type: ignore[arg-type]
    assert constants.learned >= constants.uniform - 1e-9
    assert gate.learned >= gate.uniform - 1e-9
    if kind == "linear":
        assert gate.learned >= constants.learned - 1e-9
        assert gate.learned > constants.learned + 0.05  # only a gate can leave a member at the fourth token


@pytest.mark.parametrize("top_k", [1, 2])
def test_a_sparse_gate_is_not_below_the_best_constants_of_as_many_members(top_k: int) -> None:
    statistics = development()
    gate = fit_gate(statistics, top_k=top_k)
    weights = gate.gate.weights(statistics.features_before_step(gate.gate), statistics.steps)
    assert bool(((weights > 0).sum(dim=0) == top_k).all())
    torch.testing.assert_close(weights.sum(dim=0), torch.ones_like(weights[0]))
    for some in itertools.combinations(range(3), top_k):
        constants, _ = fit_linear_weights(statistics.token_log_probs[list(some)])
        spread = torch.zeros(3).double().index_copy(0, torch.tensor(some), constants)
        assert gate.learned > mean(statistics, spread, "linear") + 0.05  # it may take others at every token
    assert len(torch.unique(weights > 0, dim=1).T) > 1
    assert gate.weights == pytest.approx(weights.mean(dim=1).tolist())


@pytest.mark.parametrize("kind", ["linear", "log_linear"])
def test_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    statistics = development()
    for number, created in enumerate([fit_constants(statistics, kind), fit_gate(statistics, kind, top_k=2)]):  # type: ignore[arg-type]
        path = tmp_path / f"{number}.json"
        created.save(path)
        again = LearnedCoefficients.load(path, statistics.names)
        assert (again.kind, again.members, again.weights) == (created.kind, created.members, created.weights)
        torch.testing.assert_close(again.token_log_probs(statistics), created.token_log_probs(statistics))
        assert list(again.to_combiner().active_members(3)) == list(created.to_combiner().active_members(3))
        with pytest.raises(ConfigError, match="learn them again"):
            LearnedCoefficients.load(path, ("a", "b", "other"))
        with pytest.raises(ConfigError, match=r"4 (weights|members)"):
            again.to_combiner().active_members(4)


SAVED = {"kind": "linear", "members": ["a", "b"], "weights": [0.5, 0.5], "gate": None}
SAVED |= {"learned": -1.0, "uniform": -1.0}
GATE = {"matrix": [[0.0]], "bias": [0.0], "means": [0.0], "scales": [1.0], "top_k": None}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "expected saved coefficients"),
        ({**SAVED, "weights": [1.0]}, "expected linear or log_linear with one weight per member"),
        ({**SAVED, "kind": "cubic"}, "expected linear or log_linear with one weight per member"),
        ({**SAVED, "gate": {"matrix": [[0.0]]}}, "expected a saved gate .*, found another object: 'bias'"),
        ({**SAVED, "gate": GATE}, r"expected a gate of 1 by 5 numbers, found \(1, 1\)"),
    ],
)
def test_a_damaged_file_of_coefficients_is_named(
    fields: dict[str, object], message: str, tmp_path: Path
) -> None:
    (tmp_path / "no.json").write_text(json.dumps(fields))
    with pytest.raises(ConfigError, match=rf"no\.json: .*{message}"):
        LearnedCoefficients.load(tmp_path / "no.json")


def test_statistics_are_what_the_members_say() -> None:
    first, second = Table(3, 5, seed=1, name="a"), Table(3, 5, seed=2, name="b")
    sequences = [(2, EOS), (3, 4, 1, EOS), (1, 2, EOS)]
    statistics = collect_log_probs([first, second], sequences)
    index = 0
    for row, sequence in enumerate(sequences):
        before, past = -1, []
        for step, token in enumerate(sequence):
            for m, table in enumerate((first, second)):
                row_of = table.table[row, step, before]
                torch.testing.assert_close(statistics.distributions[m, index], row_of)
                assert float(statistics.token_log_probs[m, index]) == pytest.approx(
                    float(row_of[token]), abs=1e-6
                )
                entropy = -float((row_of.exp() * row_of).sum())
                gave = [float(v) for v in (past[-1][m] if past else 0.0, row_of.max(), entropy)]
                result = statistics.features[m, index].tolist()
                assert result[0] == pytest.approx(gave[1], abs=1e-5)
                assert result[1] == pytest.approx(gave[2], abs=1e-5)
                assert result[2] == pytest.approx(gave[0], abs=1e-5)
                average = sum(p[m] for p in past) / len(past) if past else 0.0
                assert result[3] == pytest.approx(average, abs=1e-5)
            assert (int(statistics.sentences[index]), int(statistics.steps[index])) == (row, step)
            past.append([float(t.table[row, step, before, token]) for t in (first, second)])
            before, index = token, index + 1
    both = concatenate([statistics, collect_log_probs([first, second], sequences[:1] * 3)])
    assert both.n_sentences == 6
    assert both.token_log_probs.shape[1] == 9 + 6


def make_members(n: int) -> list[Table]:
    return [Table(n, 5, seed=seed, name=str(seed)) for seed in (1, 2, 3)]


def random_gate(seed: int, top_k: int | None) -> SoftmaxGate:
    generator = torch.Generator().manual_seed(seed)
    matrix, bias = torch.randn(3, 14, generator=generator).double().split((13, 1), dim=1)
    return SoftmaxGate(matrix, bias[:, 0], torch.zeros(13).double(), torch.ones(13).double(), top_k)


@pytest.mark.parametrize("top_k", [None, 1, 2])
@pytest.mark.parametrize("beam", [1, 3])
def test_a_gated_search_gives_what_forcing_and_statistics_give(top_k: int | None, beam: int) -> None:
    for seed in range(8):
        gate = random_gate(seed, top_k)
        config = SearchConfig(beam_size=beam, max_new_tokens=4)
        best = [result[0] for result in search(make_members(4), config, combiner=LinearInterpolation(gate))]
        statistics = collect_log_probs(make_members(4), [ids(candidate) for candidate in best])
        created = LearnedCoefficients("linear", statistics.names, (1 / 3,) * 3, 0.0, 0.0, gate)
        log_probs = torch.tensor([value for candidate in best for value in candidate.log_probs])
        torch.testing.assert_close(
            log_probs, created.token_log_probs(statistics).float(), atol=1e-5, rtol=1e-4
        )
        features = statistics.features if top_k is None else statistics.features_before_step(gate)
        weights = torch.cat([torch.tensor(candidate.member_weights) for candidate in best], dim=1)
        expected = gate.weights(features, statistics.steps).float()
        torch.testing.assert_close(weights, expected, atol=1e-5, rtol=1e-4)
        all_members_run = [
            None not in row for candidate in best for row in zip(*candidate.member_log_probs, strict=True)
        ]
        assert all(all_members_run) == (top_k is None)


@pytest.mark.parametrize("top_k", [1, 2])
@pytest.mark.parametrize("beam", [1, 3])
def test_a_sparse_gate_decides_for_an_utterance_as_if_it_were_alone(top_k: int, beam: int) -> None:
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=4)
    for seed in range(12):  # of 10 utterances each
        gate, members = random_gate(seed, top_k), make_members(10)
        together = search(members, config, combiner=LinearInterpolation(gate))
        for row, expected in enumerate(together):
            (alone,) = search(
                [table.only(row) for table in members], config, combiner=LinearInterpolation(gate)
            )
            assert [c.tokens for c in alone] == [c.tokens for c in expected]
            assert [c.score for c in alone] == pytest.approx([c.score for c in expected], abs=1e-5)
            assert [[v is None for v in m] for c in alone for m in c.member_log_probs] == [
                [v is None for v in m] for c in expected for m in c.member_log_probs
            ]


def test_what_a_sparse_gate_was_learned_to_give_is_what_the_search_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    sequences = [(*torch.randint(1, 5, (3,), generator=generator).tolist(), EOS) for _ in range(24)]
    created = fit_gate(collect_log_probs(make_members(24), sequences), top_k=2)
    forced = force_decode(make_members(24), sequences, combiner=created.to_combiner())
    total = sum(candidate.score for candidate in forced)
    assert total / sum(map(len, sequences)) == pytest.approx(created.learned, abs=1e-5)
    assert float(created.gate.matrix.abs().max()) > 0.01  # it goes by the context


def test_a_member_that_gives_nan_is_named() -> None:
    bad = Table(1, name="bad")
    bad.table[0, 0, -1] = math.nan
    with pytest.raises(ModelError, match="bad: expected log-probabilities, found NaN"):
        collect_log_probs([Table(1, name="good"), bad], [(2, EOS)])


def test_forbidden_tokens_count_as_the_floor() -> None:
    table = Table(1)
    table.table[0, 0, -1, 2] = -math.inf
    statistics = collect_log_probs([table, Table(1, seed=3)], [(2, EOS)])
    assert float(statistics.token_log_probs[0, 0]) == MIN_LOG_PROB
    assert fit_constants(statistics, "log_linear").learned > MIN_LOG_PROB


def test_a_gate_for_other_members_is_refused() -> None:
    gate = fit_gate(development()).gate
    assert gate is not None
    with pytest.raises(ConfigError, match="expected a gate for 2 members"):
        search([Table(1), Table(1)], SearchConfig(beam_size=1), combiner=LinearInterpolation(gate))
    with pytest.raises(ConfigError, match="top_k from 1 to 3, found 4"):
        fit_gate(development(), top_k=4)


def test_a_member_too_large_for_its_distributions_is_refused() -> None:
    backend = SimpleNamespace(
        prepare=lambda *_: SimpleNamespace(tokens=[1]),
        tokenize_target=lambda text, _: [1] * int(text),
        **{"max_source": 512, "n_members": 2, "vocabulary_size": 2**20},
    )
    pairs = [("a", "256"), ("a", "513"), ("a", "257")]  # the second is too long to be read
    with pytest.raises(ConfigError, match="at most 4 GiB, found 513 tokens of 2 members over 1048576"):
        fitting.collect_reference_log_probs(backend, pairs, ("en", "de"), distributions=True)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="found none"):
        fitting.collect_reference_log_probs(backend, pairs[1:2], ("en", "de"), distributions=False)  # type: ignore[arg-type]


def _without_distributions() -> ReferenceLogProbs:
    return dataclasses.replace(development(), distributions=None)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: concatenate([]), DataError, "at least one batch of development sentences, found none"),
        (
            lambda: fit_constants(development().select_sentences(torch.tensor([99])), "linear"),
            DataError,
            "sentences with references, found no token",
        ),
        (
            lambda: fit_constants(_without_distributions(), "log_linear"),
            ConfigError,
            "statistics with distributions for log-linear coefficients, found none",
        ),
        (
            lambda: fitting.fit_coefficients(development(), MixingConfig()),
            ConfigError,
            "expected constants or gate with linear or log_linear, found nothing with linear",
        ),
        (
            lambda: fitting.likelihood_by_strength(_without_distributions()),
            ConfigError,
            "distributions of core, positive and negative model, found others",
        ),
        (
            lambda: list(fitting.held_out_games(development(sentences=1), 12)),
            DataError,
            "at least 2 development sentences, found 1",
        ),
    ],
)
def test_statistics_that_do_not_suffice_are_refused(
    call: Callable[[], object], error: type[AntiphonError], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_what_was_learned_for_another_method_is_refused(tmp_path: Path) -> None:
    fit_constants(development(), "linear").save(tmp_path / COEFFICIENTS_FILE)
    with pytest.raises(StoreError, match="expected what negative_evidence learns, found kind, members"):
        read_combiner(MixingConfig(method="negative_evidence"), tmp_path)
