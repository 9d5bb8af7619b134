"""Boosted terms and required phrases against brute force over all texts of a tiny vocabulary."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.constraints.constrained_chooser import BeamAllocation
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.logits_processors import History
from components.decoding.constraints.phrase_constraints import PhraseConstraints, Requirements
from components.decoding.constraints.phrase_trie import PhraseTrie, TokenizedPhrase, WordEdges
from components.decoding.constraints.term_bias import TermBias
from components.decoding.constraints.token_constraints import force_last
from components.decoding.searches.search import search
from components.errors import ConfigError
from tests.components.decoding.test_search import EOS, LENGTH, Table, ids

TEXTS = ("", " a", "b", " c", "-", " b")
"""The tokens: the end, two that begin words, one that may go on with a word, one that is no letter."""
EDGES = WordEdges.of(TEXTS)
SIZE = len(TEXTS)
Phrases = list[TokenizedPhrase]

_tokens = st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=3).map(tuple)
_phrases = st.lists(
    st.builds(
        TokenizedPhrase,
        st.lists(_tokens, min_size=1, max_size=2),
        st.sampled_from([0.5, 1.0, 3.0]),
        st.integers(1, 2),
    ),
    max_size=4,
)


def _begins_inside(text: tuple[int, ...], i: int) -> bool:
    return 0 < i < len(text) and TEXTS[text[i]][:1].isalpha() and TEXTS[text[i - 1]][-1:].isalpha()


def occurrences(text: tuple[int, ...], tokens: tuple[int, ...]) -> list[range]:
    """Where a tokenization stands as whole words."""
    n = len(tokens)
    return [
        range(i, i + n)
        for i in range(len(text) - n + 1)
        if text[i : i + n] == tokens and not _begins_inside(text, i) and not _begins_inside(text, i + n)
    ]


def gain(text: tuple[int, ...], phrases: Phrases) -> float:
    """Every token gains the largest boost of the occurrences that it lies in, of each phrase the first."""
    best = [0.0] * len(text)
    for tokenizations, boost, limit in phrases:
        spans = [span for each in tokenizations for span in occurrences(text, each)]
        ends = sorted({span.stop for span in spans})[:limit]
        for i in itertools.chain.from_iterable(span for span in spans if span.stop in ends):
            best[i] = max(best[i], boost)
    return sum(best)


def ended_texts() -> list[tuple[int, ...]]:
    words = range(1, SIZE)
    return [(*s, EOS) for n in range(LENGTH) for s in itertools.product(words, repeat=n)]


def value(table: Table, row: int, text: tuple[int, ...]) -> float:
    """Log-probability of a text whose end is forced at the limit."""
    return table.value(row, text[:-1] if len(text) == LENGTH else text)


def require_brute_force(
    results: Sequence[Sequence[Candidate]], table: Table, worth: Callable[[int, tuple[int, ...]], float]
) -> None:
    """Candidates are the best of all texts by ``worth`` per token, with the table's scores."""
    for row, candidates in enumerate(results):
        expected = sorted((worth(row, text) / len(text) for text in ended_texts()), reverse=True)
        assert [c.normalized_score for c in candidates] == pytest.approx(
            expected[: len(candidates)], abs=1e-4
        )
        for candidate in candidates:
            text = ids(candidate)
            assert candidate.normalized_score == pytest.approx(worth(row, text) / len(text), abs=1e-4)
            assert candidate.score == pytest.approx(value(table, row, text), abs=1e-5)


@given(phrases=_phrases, texts=st.lists(_tokens, min_size=1, max_size=3))
@settings(max_examples=30)
def test_bonuses_of_all_tokens_add_up_to_the_gain(phrases: Phrases, texts: list[tuple[int, ...]]) -> None:
    """Of every token, so that the fast path for tokens that continue nothing is tried, too."""
    for text, last in itertools.product(texts, range(SIZE)):
        bias = TermBias([PhraseTrie(phrases, EDGES)])
        total, sequence = 0.0, (*text, last, EOS)
        for t, token in enumerate(sequence):
            history = History(torch.tensor([sequence[:t]], dtype=torch.long), torch.tensor([0]), 9)
            total += float(bias(torch.zeros(1, SIZE), history)[0, token])
        assert total == pytest.approx(gain(sequence, phrases), abs=1e-5)


@given(phrases=_phrases, seed=st.integers(0, 1000))
@settings(max_examples=6)
def test_a_wide_beam_with_terms_is_brute_force(phrases: Phrases, seed: int) -> None:
    table = Table(2, SIZE, seed)
    config = SearchConfig(beam_size=180, n_best=8, max_new_tokens=LENGTH, early_stopping="never")
    tries = [PhraseTrie(phrases, EDGES), None]
    guidance = Guidance([TermBias(tries)])
    results = search([table], config, logits_processors=[force_last([EOS])], guidance=guidance)
    assert [len(candidates) for candidates in results] == [8, 8]
    terms: tuple[Phrases, Phrases] = (phrases, [])
    require_brute_force(results, table, lambda row, text: value(table, row, text) + gain(text, terms[row]))
    assert all(c.score == pytest.approx(sum(c.log_probs), abs=1e-5) for nbest in results for c in nbest)


@given(phrases=_phrases.filter(bool), seed=st.integers(0, 1000), beam=st.sampled_from([1, 3]))
@settings(max_examples=10)
def test_a_batch_with_terms_is_its_utterances_alone(phrases: Phrases, seed: int, beam: int) -> None:
    table = Table(3, SIZE, seed)
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=LENGTH)
    tries = [PhraseTrie(phrases, EDGES), None, PhraseTrie(phrases[:1], EDGES)]
    together = search([table], config, guidance=Guidance([TermBias(tries)]))
    for row, trie in enumerate(tries):
        alone = search([table.only(row)], config, guidance=Guidance([TermBias([trie])]))
        assert together[row] == alone[0]
    assert together[1] == search([table.only(1)], config)[0]


def _requirements(phrases: Phrases) -> Requirements:
    lengths = tuple(max(map(len, phrase.tokenizations)) for phrase in phrases)
    return Requirements(PhraseTrie(phrases, EDGES), lengths)


def _has_all(text: tuple[int, ...], phrases: Phrases) -> bool:
    return all(any(occurrences(text, tokens) for tokens in phrase.tokenizations) for phrase in phrases)


@given(phrases=_phrases, seed=st.integers(0, 1000))
@settings(max_examples=6)
def test_a_wide_beam_with_required_phrases_is_brute_force(phrases: Phrases, seed: int) -> None:
    table = Table(2, SIZE, seed)
    config = SearchConfig(beam_size=180, n_best=5, max_new_tokens=LENGTH, early_stopping="never")
    constraints = BeamAllocation(PhraseConstraints([_requirements(phrases), None]))
    results = search(
        [table],
        config,
        logits_processors=[force_last([EOS])],
        guidance=Guidance(constraints=constraints),
    )
    for row, (candidates, required) in enumerate(zip(results, (phrases, []), strict=True)):
        valid = [text for text in ended_texts() if _has_all(text, required)]
        ranked = sorted(valid, key=lambda text: -value(table, row, text) / len(text))[:5]
        found = [c for c in candidates if c.missing == 0]
        assert [ids(c) for c in found] == ranked[: len(found)]
        assert len(found) == len(ranked)


@given(seed=st.integers(0, 1000), beam=st.integers(2, 4))
@settings(max_examples=10)
def test_a_narrow_beam_writes_what_is_required(seed: int, beam: int) -> None:
    """A term of two tokens in four: whatever the table thinks of it."""
    table = Table(4, SIZE, seed)
    required = [TokenizedPhrase([(3, 4)])]
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=LENGTH)
    all_rows = [_requirements(required), None, _requirements(required), _requirements(required)]
    results = search(
        [table], config, guidance=Guidance(constraints=BeamAllocation(PhraseConstraints(all_rows)))
    )
    for row in (0, 2, 3):
        assert _has_all(ids(results[row][0]), required)
        for candidate in results[row]:
            assert candidate.missing == (not _has_all(ids(candidate), required))
            expected = candidate.score / len(ids(candidate))
            assert candidate.normalized_score == pytest.approx(expected, abs=2e-3)
        alone = Guidance(constraints=BeamAllocation(PhraseConstraints([all_rows[row]])))
        assert search([table.only(row)], config, guidance=alone)[0] == results[row]
    assert results[1] == search([table.only(1)], config)[0]


def test_greedy_search_refuses_required_phrases() -> None:
    guidance = Guidance(
        constraints=BeamAllocation(PhraseConstraints([_requirements([TokenizedPhrase([(3,)])])]))
    )
    with pytest.raises(ConfigError, match="expected a beam of at least 2"):
        search([Table(1, SIZE)], SearchConfig(beam_size=1, max_new_tokens=LENGTH), guidance=guidance)
