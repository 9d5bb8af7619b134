"""The search against brute force, and its laws, on members that are plain tables of probabilities."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.token_constraints import force_at, force_last, suppress
from components.decoding.scorers import Vocabulary, require_same_vocabulary
from components.decoding.searches.forced_scoring import force_decode
from components.decoding.searches.search import search
from components.decoding.tokens.topk import topk
from components.ensembling.token_level.combiners import LinearInterpolation
from components.errors import ConfigError, ModelError

EOS, LENGTH = 0, 4


class Table:
    """Bigram probabilities that differ by utterance and position."""

    limit = LENGTH

    def __init__(self, n: int, size: int = 4, seed: int = 0, name: str = "table", digest: str = "d") -> None:
        generator = torch.Generator().manual_seed(seed)
        self.name, self.vocabulary = name, Vocabulary(size, (EOS,), 1, digest)
        self.table = torch.randn(n, LENGTH, size + 1, size, generator=generator).log_softmax(-1)
        self.calls = 0

    def only(self, row: int) -> Table:
        other = Table(1, self.vocabulary.size)
        other.table = self.table[row : row + 1]
        return other

    def prefill(self) -> torch.Tensor:
        self.calls += 1
        self.rows, self.position = torch.arange(self.table.shape[0]), 0
        return self.table[self.rows, 0, -1].clone()

    def step(self, beam_indices: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.rows, self.position = self.rows[beam_indices], self.position + 1
        return self.table[self.rows, self.position, tokens].clone()

    def value(self, row: int, sequence: tuple[int, ...]) -> float:
        before, total = -1, 0.0
        for step, token in enumerate(sequence):
            total += float(self.table[row, step, before, token])
            before = token
        return total


def everything(size: int) -> list[tuple[int, ...]]:
    """All sequences that end, or are cut at the limit."""
    words = range(1, size)
    ended = [(*s, EOS) for n in range(LENGTH) for s in itertools.product(words, repeat=n)]
    return ended + list(itertools.product(words, repeat=LENGTH))


def ids(candidate: Candidate) -> tuple[int, ...]:
    return (*candidate.tokens, EOS) if candidate.finished else candidate.tokens


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_a_wide_beam_is_brute_force(penalty: float) -> None:
    table = Table(3)
    config = SearchConfig(
        beam_size=150, n_best=20, max_new_tokens=LENGTH, length_penalty=penalty, early_stopping="never"
    )
    for row, results in enumerate(search([table], config)):
        ranked = sorted(everything(4), key=lambda s: -table.value(row, s) / len(s) ** penalty)
        assert [ids(c) for c in results] == ranked[:20]
        assert [c.score for c in results] == pytest.approx(
            [table.value(row, s) for s in ranked[:20]], abs=1e-5
        )


@given(seed=st.integers(0, 10_000), beam=st.integers(1, 5), size=st.integers(3, 7))
@settings(max_examples=40)
def test_a_batch_is_its_utterances_alone(seed: int, beam: int, size: int) -> None:
    table = Table(4, size, seed)
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=LENGTH)
    together = search([table], config)
    assert together == [search([table.only(row)], config)[0] for row in range(4)]


@given(seed=st.integers(0, 10_000), beam=st.integers(1, 4), temperature=st.sampled_from([0.0, 1.0]))
@settings(max_examples=40)
def test_forcing_what_was_found_gives_its_scores(seed: int, beam: int, temperature: float) -> None:
    table = Table(3, 5, seed)
    processors = [suppress([3]), force_last([EOS])]
    config = SearchConfig(beam_size=beam, max_new_tokens=LENGTH, temperature=temperature, seed=seed)
    results = [candidates[0] for candidates in search([table], config, logits_processors=processors)]
    forced = force_decode([table], [ids(c) for c in results], logits_processors=processors)
    for candidate, again in zip(results, forced, strict=True):
        assert candidate.score == pytest.approx(again.score, abs=1e-4)
        assert candidate.log_probs == pytest.approx(again.log_probs, abs=1e-4)
        assert candidate.score == pytest.approx(sum(candidate.log_probs), abs=1e-4)
        assert 3 not in candidate.tokens


def test_greedy_takes_the_best_token_every_time() -> None:
    table = Table(5, 6, seed=4)
    for row, (candidate,) in enumerate(search([table], SearchConfig(beam_size=1, max_new_tokens=LENGTH))):
        before, expected = -1, []
        for step in range(LENGTH):
            before = int(table.table[row, step, before].argmax())
            expected.append(before)
            if before == EOS:
                break
        assert ids(candidate) == tuple(expected)


def test_samples_do_not_depend_on_the_batch_and_follow_the_distribution() -> None:
    table = Table(3, 5, seed=7)
    config = SearchConfig(temperature=1.0, n_best=400, max_new_tokens=1, seed=3)
    results = search([table], config, keys=[10, 11, 12])
    assert search([table.only(1)], config, keys=[11])[0] == results[1]
    assert (
        search([table], SearchConfig(temperature=1.0, n_best=400, max_new_tokens=1, seed=4))[1] != results[1]
    )
    for row, candidates in enumerate(results):
        share = sum(c.tokens == (2,) for c in candidates) / 400
        assert share == pytest.approx(math.exp(table.table[row, 0, -1, 2]), abs=0.1)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    table = Table(1, 4)
    table.table[0, 0, -1] = torch.tensor([0.05, 0.5, 0.3, 0.15]).log()
    drawn = {
        p: {
            ids(c)
            for c in search([table], SearchConfig(temperature=1.0, top_p=p, n_best=300, max_new_tokens=1))[0]
        }
        for p in (0.4, 0.6, 0.9, 1.0)
    }
    assert drawn == {0.4: {(1,)}, 0.6: {(1,), (2,)}, 0.9: {(1,), (2,), (3,)}, 1.0: {(1,), (2,), (3,), (EOS,)}}


def test_a_forced_first_token_comes_first() -> None:
    config = SearchConfig(beam_size=4, n_best=4, max_new_tokens=LENGTH)
    (results,) = search([Table(1, 8)], config, logits_processors=[force_at(0, 5)])
    assert all(c.tokens[0] == 5 and c.log_probs[0] == 0 for c in results)
    assert len({c.tokens for c in results}) == 4


def test_members_that_cannot_be_mixed_are_refused() -> None:
    config = SearchConfig(beam_size=2, max_new_tokens=LENGTH)
    with pytest.raises(ConfigError, match=r"one vocabulary, found b .* beside a"):
        search(
            [Table(1, name="a"), Table(1, name="b", digest="e")],
            config,
            combiner=LinearInterpolation([0.5, 0.5]),
        )
    with pytest.raises(ConfigError, match="expected a combiner for 2 scorers"):
        search([Table(1), Table(1)], config)
    with pytest.raises(ConfigError, match=r"same utterances, found scores of shapes \[\(1, 4\), \(2, 4\)\]"):
        search([Table(1), Table(2)], config, combiner=LinearInterpolation([0.5, 0.5]))
    with pytest.raises(ConfigError, match="at least one model to search with, found none"):
        require_same_vocabulary([])
    with pytest.raises(ConfigError, match="sum to 1"):
        LinearInterpolation([0.5, 0.6])
    with pytest.raises(ConfigError, match="2 weights, one per member, found 1"):
        search([Table(1), Table(1)], config, combiner=LinearInterpolation([1.0]))


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([(2, EOS), ()], "at least one token in every forced sequence, found an empty one: add eos"),
        ([(2, EOS)], "one sequence for each of 2 utterances, found 1"),
        ([(2, EOS), (1,) * (LENGTH + 1)], f"at most {LENGTH} tokens, found {LENGTH + 1}"),
    ],
)
def test_sequences_that_cannot_be_forced_are_refused(sequences: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        force_decode([Table(2)], sequences)


@pytest.mark.parametrize("beam", [1, 3])
def test_a_member_that_gives_nan_is_named(beam: int) -> None:
    good, bad = Table(1, name="good"), Table(1, name="bad")
    bad.table[0, 0, -1, 2] = math.nan
    with pytest.raises(ModelError, match="NaN or infinity from bad"):
        search(
            [good, bad],
            SearchConfig(beam_size=beam, max_new_tokens=LENGTH),
            combiner=LinearInterpolation([0.5, 0.5]),
        )


@pytest.mark.parametrize(
    "wrong",
    [
        {"beam_size": 0},
        {"n_best": 3, "beam_size": 2},
        {"temperature": -1.0},
        {"top_p": 0.0},
        {"top_k": -1},
        {"epsilon": 1.0},
        {"early_stopping": "always"},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        SearchConfig(**wrong)  # type: ignore[arg-type]


@given(seed=st.integers(0, 9999), size=st.integers(1, 700), k=st.integers(1, 6))
@settings(max_examples=40)
def test_the_best_by_chunks_are_the_best(seed: int, size: int, k: int) -> None:
    values = torch.randn(3, size, generator=torch.Generator().manual_seed(seed))
    values[0] = -math.inf
    if seed % 3 == 0:
        values[1, seed % size] = math.nan
    k = min(k, size)
    results, reference = topk(values, k), values.topk(k)
    torch.testing.assert_close(results[0], reference.values, equal_nan=True)
    torch.testing.assert_close(values.gather(1, results[1]), results[0], equal_nan=True)
    assert all(len(set(row)) == k for row in results[1].tolist())
