"""A beam's choice on fixed buffers, eager and replayed, against a search that drops rows at once.

A Markov chain gives the same numbers whatever is in the batch, so the results are equal to the last bit.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from components.compute import batch_sizes
from components.decoding.accelerator.choice import choice_buffers
from components.decoding.accelerator.fixed_shapes import static_steps
from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.logits_processors import History
from components.decoding.constraints.token_constraints import no_repeat_ngram
from components.decoding.scorers import Vocabulary
from components.decoding.searches.search import search
from tests.graph_double import GraphDouble, graph_double

N = 6


class MarkovChain:
    """Scores of the next token that depend on the utterance and the last token alone."""

    name, limit = "chain", 40

    def __init__(self, size: int, eos: tuple[int, ...], n: int = N) -> None:
        self.vocabulary = Vocabulary(size, eos, 0, "digest")
        generator = torch.Generator().manual_seed(size)
        self._table = torch.randn(n, size, size, generator=generator) * 2
        self._table[:, :, list(eos)] += torch.linspace(-2, 7, n)[:, None, None]  # each ends at its own time
        self._owners = torch.arange(n)

    def prefill(self) -> Tensor:
        return self._table[self._owners, 0]

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        self._owners = self._owners[beam_indices]
        return self._table[self._owners, tokens]


def prefer_fives(log_probs: Tensor, history: History) -> Tensor:
    log_probs[:, 5] += 0.7
    return log_probs


class Case(NamedTuple):
    config: SearchConfig
    size: int = 40
    eos: tuple[int, ...] = (1,)
    biases: tuple[object, ...] = ()
    ngram: int = 0

    def run(self) -> list[list[Candidate]]:
        processors = [no_repeat_ngram(self.ngram)] if self.ngram else []
        return search(
            [MarkovChain(self.size, self.eos)],
            self.config,
            logits_processors=processors,
            guidance=Guidance(biases=self.biases),  # type: ignore[arg-type]
        )


CASES = {
    "plain": Case(SearchConfig(beam_size=4, n_best=4, max_new_tokens=20)),
    "stops when full": Case(SearchConfig(beam_size=3, n_best=2, early_stopping=True, max_new_tokens=20)),
    "never stops early": Case(
        SearchConfig(beam_size=3, n_best=3, early_stopping="never", length_penalty=1.7, max_new_tokens=24)
    ),
    "short is better": Case(SearchConfig(beam_size=2, length_penalty=-0.5, max_new_tokens=20)),
    "histories are read": Case(SearchConfig(beam_size=4, n_best=2, max_new_tokens=20), ngram=2),
    "biased": Case(SearchConfig(beam_size=4, n_best=4, max_new_tokens=20), biases=(prefer_fives,)),
    "three ends": Case(SearchConfig(beam_size=4, n_best=4, max_new_tokens=20), eos=(1, 7, 9)),
    "statistics": Case(SearchConfig(beam_size=3, n_best=3, entropies=True, max_new_tokens=20)),
    "few tokens": Case(SearchConfig(beam_size=5, n_best=5, max_new_tokens=12), size=6, eos=(1, 2, 3, 4, 5)),
    "one step": Case(SearchConfig(beam_size=3, n_best=3, max_new_tokens=1)),
}


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[GraphDouble]]:
    batch_sizes._free_cached()
    with graph_double(monkeypatch) as double:
        yield double
    batch_sizes._free_cached()


@pytest.mark.parametrize("name", CASES)
def test_candidates_are_those_of_a_search_that_drops_rows_at_once(
    name: str, monkeypatch: pytest.MonkeyPatch, graphs: type[GraphDouble]
) -> None:
    case = CASES[name]
    replayed = [case.run() for _ in range(2)]  # on the graph of the first
    assert graphs.records == (0 if name == "one step" else 1)
    monkeypatch.setenv("ANTIPHON_CUDA_GRAPHS", "off")
    expected = case.run()
    assert replayed == [expected, expected]
    monkeypatch.setenv("ANTIPHON_CUDA_GRAPHS", "eager")
    batch_sizes._free_cached()
    assert case.run() == expected


def test_a_switch_for_cards_changes_no_search_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_CUDA_GRAPHS", "eager")
    monkeypatch.setattr(choice_buffers, "lend", lambda *_: pytest.fail("took buffers"))
    CASES["plain"].run()


def test_utterances_leave_when_half_of_them_have_ended(
    graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    step = MarkovChain.step

    def count(self: MarkovChain, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        sizes.append(len(tokens) // 4)
        return step(self, beam_indices, tokens)

    monkeypatch.setattr(MarkovChain, "step", count)
    CASES["plain"].run()
    assert sizes[0] == N and len(set(sizes)) > 1
    powers = [static_steps.round_up_to_power(size) for size in dict.fromkeys(sizes)]
    assert powers == sorted(set(powers), reverse=True)


@pytest.mark.parametrize("part", ["scores", "is_open", "positions", "_t"])
def test_a_replay_that_leaves_a_part_of_the_state_as_it_was_is_found_out(
    part: str, graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    replay = GraphDouble.replay

    def keep(self: GraphDouble) -> None:
        (buffers,) = choice_buffers._KEPT.values()
        kept = buffers._t if part == "_t" else getattr(buffers.state, part)
        before = kept.clone()
        replay(self)
        kept.copy_(before + 0 if part != "is_open" else ~before)

    monkeypatch.setattr(GraphDouble, "replay", keep)
    case = CASES["never stops early"]
    candidates = case.run()
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "going on without graphs" in line
    monkeypatch.setenv("ANTIPHON_CUDA_GRAPHS", "off")
    assert candidates == case.run()


def test_a_search_within_a_search_has_buffers_of_its_own(
    graphs: type[GraphDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, inner = CASES["plain"], []

    def search_another(log_probs: Tensor, history: History) -> Tensor:
        if history.step == 4:
            inner.append(case.run())
        return log_probs

    outer = search([MarkovChain(40, (1,))], case.config, logits_processors=[search_another])
    assert graphs.records == 1
    monkeypatch.setenv("ANTIPHON_CUDA_GRAPHS", "off")
    assert outer == inner[0] == case.run()


def test_buffers_are_few_and_go_where_memory_runs_out(graphs: type[GraphDouble]) -> None:
    gc.disable()  # no circle of references keeps a search
    try:
        for size in range(20, 22 + choice_buffers.MAX_KEPT):
            CASES["plain"]._replace(size=size).run()
        assert len(choice_buffers._KEPT) == choice_buffers.MAX_KEPT
        assert all(buffers.is_idle for buffers in choice_buffers._KEPT.values())
    finally:
        gc.enable()
    batch_sizes._free_cached()
    assert not choice_buffers._KEPT
