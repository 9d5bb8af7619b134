"""Members of different tokenizers: intersection, union, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from components.decoding.config import SearchConfig
from components.decoding.mixing.same_constraints import require_same_constraints
from components.decoding.scorers import Vocabulary, digest_of, require_same_vocabulary
from components.decoding.searches.search import search
from components.ensembling.token_level.combiners import LinearInterpolation, LogLinearInterpolation
from components.ensembling.token_level.vocabularies.vocabulary_mapping import (
    Lexicon,
    MappedScorer,
    build_lexicon,
    intersect_vocabularies,
    map_ids,
    map_scorer,
    unite_vocabularies,
)
from components.errors import ConfigError
from tests.components.decoding.test_search import Table
from tests.components.decoding.tiny_models import marian

FIRST = ("<eos>", "<unk>", "▁a", "▁dog", "▁run", "s")
SECOND = ("<unk>", "s", "▁run", "▁cat", "<eos>", "▁a", "ning")


def lexicon(pieces: tuple[str, ...]) -> Lexicon:
    eos = pieces.index("<eos>")
    digest = digest_of({piece: i for i, piece in enumerate(pieces)})
    return Lexicon(Vocabulary(len(pieces), (eos,), eos, digest), pieces, pieces.index("<unk>"))


def member(pieces: tuple[str, ...], seed: int, name: str) -> Table:
    created = Table(2, len(pieces), seed=seed, name=name)
    created.vocabulary = lexicon(pieces).vocabulary
    return created


class Tokenizer:
    """The part of a transformers tokenizer that matters here."""

    def __init__(self, pieces: dict[str, int], special: tuple[int, ...], unknown: int | None) -> None:
        self._pieces, self.all_special_ids, self.unk_token_id = pieces, special, unknown

    def get_vocab(self) -> dict[str, int]:
        return self._pieces

    def convert_tokens_to_string(self, pieces: list[str]) -> str:
        return "".join(pieces).replace("Ġ", " ")


def test_the_same_size_is_not_the_same_vocabulary() -> None:
    first, permuted = lexicon(FIRST), lexicon(("<eos>", "<unk>", "▁dog", "▁a", "▁run", "s"))
    assert first.vocabulary.size == permuted.vocabulary.size
    with pytest.raises(
        ConfigError, match=r"one vocabulary, found other \(6 tokens, digest .* combine.vocabulary"
    ):
        require_same_vocabulary([("one", first.vocabulary), ("other", permuted.vocabulary)])
    padded = Vocabulary(6, first.vocabulary.eos, 5, first.vocabulary.digest)
    with pytest.raises(ConfigError, match=r"special tokens, found other with eos .* and pad 5"):
        require_same_vocabulary([("one", first.vocabulary), ("other", padded)])


def test_the_intersection_has_what_all_have_and_reports_what_is_lost() -> None:
    shared = intersect_vocabularies([lexicon(FIRST), lexicon(SECOND)])
    assert shared.lexicon.pieces == ("<eos>", "<unk>", "▁a", "▁run", "s")
    assert shared.ids == ((0, 1, 2, 4, 5), (4, 0, 5, 2, 1))
    inner = member(SECOND, 3, "second")
    wrapped = shared.map_scorer(inner, 1, lexicon(SECOND))
    assert isinstance(wrapped, MappedScorer)
    scores = wrapped.prefill().exp()
    before = inner.table[:, 0, -1].exp()
    remaining = before[:, [4, 0, 5, 2, 1]]
    torch.testing.assert_close(scores, remaining / remaining.sum(-1, keepdim=True))
    lost = 1 - remaining.sum(-1)
    assert wrapped.lost.mean == pytest.approx(float(lost.mean()), abs=1e-6)
    after = wrapped.step(torch.tensor([1, 0]), torch.tensor([3, 4])).exp()
    own = inner.table[[1, 0], 1, [2, 1]].exp()[:, [4, 0, 5, 2, 1]]
    torch.testing.assert_close(after, own / own.sum(-1, keepdim=True))


def test_the_union_has_all_pieces_and_gives_a_member_its_own() -> None:
    shared = unite_vocabularies([lexicon(FIRST), lexicon(SECOND)])
    assert shared.lexicon.pieces == (*FIRST, "▁cat", "ning")
    wrapped = shared.map_scorer(member(SECOND, 3, "second"), 1, lexicon(SECOND))
    scores = wrapped.prefill().exp()
    assert scores[:, 3].tolist() == [0.0, 0.0]  # ▁dog is not a piece of the second
    torch.testing.assert_close(scores.sum(-1), torch.ones(2))
    assert wrapped.lost.mean == pytest.approx(0.0, abs=1e-6)


def test_whichever_end_a_member_writes_it_ends() -> None:
    inner = member(SECOND, 3, "second")
    inner.vocabulary = replace(inner.vocabulary, eos=(4, 3))  # ▁cat ends, too
    own = lexicon(tuple("<eos>" if piece == "▁cat" else piece for piece in SECOND))
    wrapped = map_scorer(inner, replace(own, vocabulary=inner.vocabulary), lexicon(FIRST))
    scores, mapped = inner.prefill(), wrapped.prefill()
    ends, runs = scores[:, [4, 3]].logsumexp(-1), scores[:, 2]
    torch.testing.assert_close(mapped[:, 0] - mapped[:, 4], ends - runs)
    torch.testing.assert_close(mapped.exp().sum(-1), torch.ones(2))


def test_what_is_lost_is_told_for_each_utterance() -> None:
    inner = member(SECOND, 3, "second")
    wrapped = intersect_vocabularies([lexicon(FIRST), lexicon(SECOND)]).map_scorer(inner, 1, lexicon(SECOND))
    assert isinstance(wrapped, MappedScorer)
    wrapped.prefill()
    wrapped.step(torch.tensor([1, 0, 0]), torch.tensor([2, 3, 4]))  # rows of utterances 1, 0 and 0
    wrapped.step(torch.tensor([2, 1]), torch.tensor([2, 2]))  # utterance 0 alone
    own = torch.tensor([5, 2, 1])  # tokens 2, 3 and 4 of the shared vocabulary
    remaining = [4, 0, 5, 2, 1]

    def lost(row: int, step: int, before: int) -> float:
        return 1 - float(inner.table[row, step, before, remaining].exp().sum())

    zero = [lost(0, 0, -1), lost(0, 1, own[1]), lost(0, 1, own[2]), *[lost(0, 2, own[0])] * 2]
    one = [lost(1, 0, -1), lost(1, 1, own[0])]
    assert wrapped.lost.per_utterance == pytest.approx([sum(zero) / 5, sum(one) / 2], abs=1e-6)


@pytest.mark.parametrize("join", [intersect_vocabularies, unite_vocabularies])
@pytest.mark.parametrize("beam", [1, 3])
def test_identical_tokenizers_reduce_exactly(join, beam: int) -> None:  # type: ignore[no-untyped-def]
    same = lexicon(FIRST)
    shared = join([same, lexicon(FIRST)])
    plain = [member(FIRST, 1, "one"), member(FIRST, 2, "other")]
    wrapped = [
        shared.map_scorer(member(FIRST, s, n), p, same) for p, (s, n) in enumerate([(1, "one"), (2, "other")])
    ]
    config, combine = SearchConfig(beam_size=beam, max_new_tokens=4), LinearInterpolation([0.4, 0.6])
    assert search(wrapped, config, combiner=combine) == search(plain, config, combiner=combine)
    assert shared.ids[1] == tuple(range(6))


def test_a_permuted_vocabulary_gives_what_the_unpermuted_one_gives() -> None:
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    permuted = tuple(FIRST[i] for i in order)
    inner = member(permuted, 0, "other")
    first = member(FIRST, 2, "other")
    inner.table = first.table[..., order][:, :, [*order.tolist(), -1]]
    config = SearchConfig(beam_size=3, n_best=3, max_new_tokens=4)
    plain = search([member(FIRST, 1, "one"), first], config, combiner=LinearInterpolation([0.4, 0.6]))
    shared = intersect_vocabularies([lexicon(FIRST), lexicon(permuted)])
    members = [
        shared.map_scorer(member(FIRST, 1, "one"), 0, lexicon(FIRST)),
        shared.map_scorer(inner, 1, lexicon(permuted)),
    ]
    result = search(members, config, combiner=LinearInterpolation([0.4, 0.6]))
    for one, two in zip(result, plain, strict=True):
        assert [c.tokens for c in one] == [c.tokens for c in two]
        assert [c.score for c in one] == pytest.approx([c.score for c in two], abs=1e-5)
    assert shared.lexicon.text(result[0][0].tokens) == lexicon(FIRST).text(plain[0][0].tokens)
    own = [shared.ids[1][token] for token in result[0][0].tokens]
    assert lexicon(permuted).text(own) == shared.lexicon.text(result[0][0].tokens)


def test_a_member_onto_the_vocabulary_of_another() -> None:
    first, second = lexicon(FIRST), lexicon(SECOND)
    assert map_ids(first, second) == (4, 0, 5, -1, 2, 1)
    other = map_scorer(member(SECOND, 3, "second"), second, first)
    assert map_scorer(member(FIRST, 1, "one"), first, first).vocabulary == first.vocabulary
    result = search(
        [member(FIRST, 1, "one"), other],
        SearchConfig(beam_size=3, max_new_tokens=4),
        combiner=LogLinearInterpolation([0.5, 0.5]),
    )
    assert all(3 not in c[0].tokens for c in result)  # AND: what one member lacks is forbidden
    assert all(math.isfinite(c[0].score) for c in result)


def test_tokenizers_of_both_kinds_give_the_same_pieces() -> None:
    sentencepiece = Tokenizer({"</s>": 0, "<unk>": 1, "▁a": 2, "b": 3, "<pad>": 4, "<x>": 5}, (0, 1, 4, 5), 1)
    bytes_ = Tokenizer({"Ġa": 0, "b": 1, "<|end|>": 2}, (2,), None)
    one = build_lexicon(sentencepiece, Vocabulary(7, (0,), 4, "d"))
    two = build_lexicon(bytes_, Vocabulary(3, (2,), 2, "e"))
    assert one.pieces == ("<eos>", "<unk>", "▁a", "b", "<pad>", "<<x>>", "<extra 6>")
    assert two.pieces == ("▁a", "b", "<eos>")
    assert one.text([2, 3, 0]) == "ab"
    assert intersect_vocabularies([one, two]).lexicon.pieces == ("<eos>", "▁a", "b")


def test_what_has_nothing_in_common_is_refused() -> None:
    with pytest.raises(ConfigError, match="next to none in common"):
        intersect_vocabularies([lexicon(FIRST), lexicon(("<eos>", "<unk>", "▁x", "▁y"))])
    endless = Lexicon(lexicon(SECOND).vocabulary, tuple(p.replace("eos", "x") for p in SECOND), 0)
    with pytest.raises(ConfigError, match="all have an end of sequence, found one without"):
        intersect_vocabularies([lexicon(FIRST), endless])
    with pytest.raises(ConfigError, match="second: expected an end of sequence"):
        map_scorer(member(SECOND, 1, "second"), lexicon(SECOND), lexicon(FIRST), [-1] * 6)


def test_members_of_other_forced_tokens_are_refused() -> None:
    models = [marian(seed=0), marian(seed=1)]
    require_same_constraints([("one", models[0]), ("other", models[1])])
    models[1].generation_config.forced_eos_token_id = 5
    with pytest.raises(ConfigError, match="forced_eos_token_id, found other with 5 beside one with 0"):
        require_same_constraints([("one", models[0]), ("other", models[1])])
