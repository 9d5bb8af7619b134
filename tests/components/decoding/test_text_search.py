"""Models of different tokenizers that agree on text: brute force, the same-vocabulary search, and batches."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from functools import cache, partial

import numpy as np
import pytest
import torch

from components.decoding.config import SearchConfig
from components.decoding.constraints.token_constraints import no_repeat_ngram
from components.decoding.mixing.ensemble_scorer import EnsembleScorer
from components.decoding.models.causal import CausalModel
from components.decoding.models.generation_settings import logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer, Vocabulary
from components.decoding.searches.beam_search import beam_search
from components.decoding.text_synchronous.ragged_group import GroupSettings, RaggedGroup
from components.decoding.text_synchronous.text_agreement import AgreedPieces, TextPosition
from components.decoding.text_synchronous.text_pieces import END, TextPieces, read_text
from components.decoding.text_synchronous.text_search import TextHypothesis, text_search
from components.ensembling.token_level.combiners import LogLinearInterpolation
from tests.components.decoding.tiny_models import llama, marian, mbart, only, packed_marian, sources

LIMIT = 4


class Spelled:
    """Random probabilities of the next piece that depend on all pieces before it; a prefix scorer."""

    limit = LIMIT

    def __init__(self, pieces: Sequence[str], seeds: Sequence[int]) -> None:
        self.name, self.pieces, self.seeds = "spelled", list(pieces), list(seeds)
        eos = tuple(i for i, piece in enumerate(pieces) if piece.endswith(END))
        self.vocabulary = Vocabulary(len(pieces), eos, 0, "/".join(pieces))

    def row(self, utterance: int, tokens: Sequence[int]) -> torch.Tensor:
        return self._row(utterance, tuple(tokens))

    @cache  # noqa: B019 - one per test
    def _row(self, utterance: int, tokens: tuple[int, ...]) -> torch.Tensor:
        generator = random.Random(f"{self.seeds[utterance]} {self.pieces} {list(tokens)}")
        return torch.tensor([generator.gauss(0, 1.5) for _ in self.pieces]).log_softmax(-1)

    def prefill(self) -> torch.Tensor:
        return torch.stack([self.row(u, ()) for u in range(len(self.seeds))])

    def step(self, beam_indices: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        raise AssertionError("read from the beginning")

    def score_prefixes(self, utterances: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return torch.stack(
            [self.row(u, row) for u, row in zip(utterances.tolist(), tokens.tolist(), strict=True)]
        )

    def spellings(self, utterance: int) -> dict[str, list[tuple[tuple[int, ...], float]]]:
        """Every finished text -> the ways to write it, with their log-probabilities."""
        found: dict[str, list[tuple[tuple[int, ...], float]]] = {}
        for n in range(1, LIMIT + 1):
            for tokens in itertools.product(range(len(self.pieces)), repeat=n):
                text = "".join(self.pieces[t] for t in tokens)
                if text.find(END) == len(text) - 1:
                    value = sum(float(self.row(utterance, tokens[:i])[t]) for i, t in enumerate(tokens))
                    found.setdefault(text, []).append((tokens, value))
        return found


def agree(*texts: Sequence[str]) -> AgreedPieces:
    return AgreedPieces([TextPieces(each) for each in texts])


def group_of(scorer: TokenScorer, weight: float, limit: int = LIMIT) -> RaggedGroup:
    return RaggedGroup([scorer], GroupSettings(weight, LogLinearInterpolation([1.0])), limit)


FIRST, SECOND = (END, "a", "b", "ab"), (END, "a", "ba", "b" + END, "bb")


def test_a_wide_beam_is_brute_force_over_all_texts_and_spellings() -> None:
    """Also a piece that ends the text it writes."""
    one, two = Spelled(FIRST, [1, 2]), Spelled(SECOND, [3, 4])
    weights = (0.6, 0.4)
    groups = [group_of(s, w) for s, w in zip((one, two), weights, strict=True)]
    config = SearchConfig(beam_size=2000, n_best=2000, max_new_tokens=LIMIT, early_stopping="never")
    for utterance, results in enumerate(text_search(groups, agree(one.pieces, two.pieces), config)):
        first, second = one.spellings(utterance), two.spellings(utterance)
        ranked = sorted(
            (
                -sum(w * value / len(tokens) for w, (tokens, value) in zip(weights, pair, strict=True)),
                text,
                pair,
            )
            for text in first.keys() & second.keys()
            for pair in itertools.product(first[text], second[text])
        )
        best_of_text: dict[str, tuple[float, str, tuple[tuple[tuple[int, ...], float], ...]]] = {}
        for entry in ranked:
            best_of_text.setdefault(entry[1], entry)
        finished = [result for result in results if result.finished]
        assert len(finished) > 10
        for result, (_, text, pair) in zip(finished, best_of_text.values(), strict=False):
            assert result.text == text
            assert result.tokens == tuple(tokens for tokens, _ in pair)
            assert result.sums == pytest.approx([value for _, value in pair], abs=1e-4)
            assert sum(s.log_prob for s in result.segments) == pytest.approx(result.score, abs=1e-4)
            assert "".join(s.text for s in result.segments) == text
            agreed = set(itertools.accumulate(len(s.text) for s in result.segments))
            for scorer, tokens in zip((one, two), result.tokens, strict=True):
                assert agreed <= set(itertools.accumulate(len(scorer.pieces[t]) for t in tokens))


def _can_follow(pieces: TextPieces, rest: str) -> bool:
    """Whether some pieces in a row begin with ``rest``."""
    return any(
        t.startswith(rest) or (rest.startswith(t) and _can_follow(pieces, rest[len(t) :]))
        for t in pieces.texts[2]
    )


def test_tokens_of_one_probability_are_each_tried_once() -> None:
    pieces = TextPieces([END, *map(chr, range(0x4E00, 0x4E00 + 299))])
    row = np.array([n % 3 for n in range(300)], np.float32)
    start = TextPosition("", (0,), (2,))
    for count in (90, 300):
        found = AgreedPieces([pieces]).best_continuations(start, [row], (1.0,), count)
        assert len({each.tokens for each in found}) == count
        assert [each.gain for each in found] == sorted(row.tolist(), reverse=True)[:count]


@pytest.mark.parametrize("count", [1, 4, 1000])
def test_the_best_continuations_of_three_groups_are_those_of_all_tuples(count: int) -> None:
    generator = random.Random(count)
    for _ in range(60):
        alphabet = ["".join(p) for n in (1, 2, 3) for p in itertools.product("ab", repeat=n)]
        pieces = [TextPieces([END, *generator.sample(alphabet, 6)]) for _ in range(3)]
        rows = [np.array([generator.gauss(0, 2) for _ in p.texts[2]], np.float32) for p in pieces]
        text = "".join(generator.choices("ab", k=3))
        ahead = generator.random() < 0.7
        positions = (*generator.choices([1, 2, 3], k=2), 3) if ahead else (3, 3, 3)
        weights = (0.5, 0.3, 0.2)
        moving = [g for g in range(3) if positions[g] < 3] or [0, 1, 2]
        expected = []
        for choice in itertools.product(
            *(range(len(p.texts[2])) if g in moving else [None] for g, p in enumerate(pieces))
        ):
            ends = [
                text[: positions[g]] + ("" if t is None else pieces[g].texts[2][t])
                for g, t in enumerate(choice)
            ]
            longest = max(ends, key=len)
            rests = [longest[len(end) :] for end in ends]
            if all(longest.startswith(end) for end in ends) and all(map(_can_follow, pieces, rests)):
                gain = sum(weights[g] * float(rows[g][t]) for g, t in enumerate(choice) if t is not None)
                expected.append((gain, choice, longest))
        expected.sort(key=lambda entry: -entry[0])
        found = AgreedPieces(pieces).best_continuations(
            TextPosition(text, positions, (2, 2, 2)), rows, weights, count
        )
        assert [(c.tokens, c.text) for c in found] == [entry[1:] for entry in expected[:count]]


@pytest.mark.parametrize("family", ["packed marian", "mbart", "causal"])
def test_members_of_one_vocabulary_are_searched_as_ever(family: str) -> None:
    """Texts and scores are those of the search by tokens: pieces of one vocabulary, in one group."""
    if family == "causal":
        models = [llama(seed=seed) for seed in (0, 1)]
        prompts = [[5, 6, 7], [8, 9], [10, 11]]
        makes = [partial(CausalModel(m, "digest", "llama").build_scorer, prompts) for m in models]
    else:
        make, prepare = (marian, packed_marian) if family == "packed marian" else (mbart, _plain)
        models, inputs = [make(seed=seed) for seed in (0, 1)], sources(make(), 3)
        makes = [partial(prepare(m).build_scorer, **inputs) for m in models]
    processors = [*logits_processors_of(models[0]), no_repeat_ngram(2)]
    combine = LogLinearInterpolation([0.7, 0.3])
    config = SearchConfig(beam_size=4, n_best=4, max_new_tokens=8)
    expected = beam_search(EnsembleScorer([m() for m in makes], combine), config, processors)
    scorers = [m() for m in makes]
    eos = scorers[0].vocabulary.eos
    pieces = TextPieces(
        [chr(97 + i % 26) + str(i) + END * (i in eos) for i in range(scorers[0].vocabulary.size)]
    )
    group = RaggedGroup(scorers, GroupSettings(1.0, combine, processors), 8)
    for results, candidates in zip(
        text_search([group], AgreedPieces([pieces]), config), expected, strict=True
    ):
        for result, candidate in zip(results, candidates, strict=True):
            end = () if candidate.eos_token is None else (candidate.eos_token,)
            assert result.tokens == ((*candidate.tokens, *end),)
            assert result.score == pytest.approx(candidate.score, abs=1e-4)
            assert result.rank([1.0], 1.0) == pytest.approx(candidate.normalized_score, abs=1e-4)


def _plain(model: object) -> Seq2SeqModel:
    return Seq2SeqModel(model, "digest", "plain")


def test_a_batch_is_its_utterances_alone_though_rows_differ_in_length() -> None:
    """Packed Marian and mBART with a causal model: one is stepped and forgets, the others read again."""
    generator = random.Random(0)
    words = ["".join(p) for n in (1, 2, 3) for p in itertools.product("ab", repeat=n)]
    pieces = [[f"{END}", *(generator.choice(words) for _ in range(59))] for _ in range(3)]
    pieces[1][2] = pieces[2][1] = pieces[2][2] = END  # where their eos tokens are
    pieces[1][0], pieces[2][0] = "a", "b"
    seq2seq = [packed_marian(marian()), Seq2SeqModel(mbart(), "digest", "mbart")]
    causal = CausalModel(llama(seed=3), "digest", "llama")
    inputs, prompts = sources(marian(), 4), [[5, 6, 7], [8, 9], [10, 11], [12] * 6]
    config = SearchConfig(beam_size=3, n_best=3, max_new_tokens=12)

    def run(rows: list[int]) -> list[list[TextHypothesis]]:
        batch = inputs if len(rows) > 1 else only(inputs, rows[0])
        scorers = [m.build_scorer(**batch) for m in seq2seq] + [
            causal.build_scorer([prompts[r] for r in rows])
        ]
        chosen = scorers[0], scorers[1], scorers[2]
        return text_search(
            [group_of(s, w, 12) for s, w in zip(chosen, (0.4, 0.2, 0.4), strict=True)], agree(*pieces), config
        )

    together = run([0, 1, 2, 3])
    assert len({len(t) for results in together for result in results for t in result.tokens}) > 2
    for row, results in enumerate(together):
        (alone,) = run([row])
        assert [(r.text, r.tokens) for r in alone] == [(r.text, r.tokens) for r in results]
        assert [r.score for r in alone] == pytest.approx([r.score for r in results], abs=1e-4)
        for result in results:  # what a group has written is the text, as far as it has come
            for group, tokens in enumerate(result.tokens):
                assert result.text.startswith("".join(pieces[group][t] for t in tokens))


def test_a_character_may_be_cut_and_a_text_may_begin_with_a_space() -> None:
    """One model writes the two bytes of "é" one by one, the other begins with a space of its own."""
    e = "é".encode().decode("latin-1")
    one = Spelled([END, e[0], e[1], "n"], [1])
    two = Spelled([END, " ", e, " " + e + "n", "n"], [2])
    groups = [group_of(scorer, 0.5) for scorer in (one, two)]
    config = SearchConfig(beam_size=300, n_best=40, max_new_tokens=LIMIT, early_stopping="never")
    (results,) = text_search(groups, agree(one.pieces, two.pieces), config)
    texts = {read_text(result.text) for result in results if result.finished}
    assert {"é", "én", "nn", "n"} <= texts
    assert not any("\ufffd" in text or text.startswith(" ") for text in texts)


def test_a_silent_token_writes_nothing_if_it_comes_first() -> None:
    pieces = TextPieces([" de", " a"], silent=[0])
    assert [pieces.text(token, stage) for stage in (0, 1, 2) for token in (0, 1)] == [
        *("", "a", "de", "a", " de", " a")
    ]
    assert [pieces.next_stage(token, stage) for token, stage in ((0, 0), (1, 0), (0, 2))] == [1, 2, 2]
