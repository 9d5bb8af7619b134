from __future__ import annotations

import math
import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.voting import confusion_network
from components.ensembling.output_level.voting.rover import combine_by_rover
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.text.matching.alignment import align, count_operations
from tests.components.ensembling.output_level.tiny_nbest import make_hypothesis, make_nbests

VOTES = SystemCombinationConfig(method="rover", n_best=1)
sentences = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=6).map(" ".join)
settings_of = st.builds(
    SystemCombinationConfig,
    n_best=st.just(1),
    voting=st.sampled_from(["frequency", "average", "maximum"]),
    alpha=st.floats(0, 1),
    null_confidence=st.floats(0, 1),
)


def vote(*texts: str, config: SystemCombinationConfig = VOTES, weights: tuple[float, ...] = ()) -> str:
    return combine_by_rover(make_nbests(*map(make_hypothesis, texts), weights=weights), config).text


def text_of(nbests: list[SystemNBest], **values: object) -> str:
    """What wins under these settings."""
    return combine_by_rover(nbests, VOTES.model_copy(update=values)).text


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("the cat sat", "the cat sat", "the bat sat"), "the cat sat"),  # a substitution is outvoted
        (("the cat sat", "cat sat", "the cat sat"), "the cat sat"),  # so is a deletion
        (("the cat sat", "cat sat", "cat sat"), "cat sat"),  # two deletions win
        (("cat sat", "the cat sat", "the cat sat"), "the cat sat"),  # two insertions win
        (("cat sat", "the cat sat", "cat sat"), "cat sat"),  # one insertion does not
        (("a x c", "a y c", "a z c"), "a x c"),  # a tie goes to the first system
        (("a c", "a y c"), "a c"),  # also when it says nothing
        (("a y c", "a c"), "a y c"),
        (("a b", "b c", "a b c"), "a b c"),  # what two of three say at every place
        (("", "a", "a"), "a"),
        (("", "", "a"), ""),
        (("Hello, world.", "hello World", "HELLO word"), "Hello, world."),  # spelling is the first voter's
    ],
)
def test_votes_by_hand(texts: tuple[str, ...], expected: str) -> None:
    assert vote(*texts) == expected


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.35])
def test_fewer_words_are_wrong_than_with_unit_costs(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three systems with as many substitutions as deletions and insertions, each on its own."""
    draw = random.Random(1)
    vocabulary = [f"w{n}" for n in range(12)]
    truth = [draw.choices(vocabulary, k=draw.randint(5, 20)) for _ in range(120)]

    def recognize_noisily(word: str) -> list[str]:
        kind = draw.random() * 3 / rate
        new = draw.choice(vocabulary)
        return [new] if kind < 1 else [] if kind < 2 else [word, new] if kind < 3 else [word]

    systems = [[" ".join(" ".join(recognize_noisily(w)) for w in words) for _ in range(3)] for words in truth]

    def errors() -> int:
        edits = [count_operations(align(w, vote(*s).split())) for w, s in zip(truth, systems, strict=True)]
        return sum(sum(one.values()) - one["equal"] for one in edits)

    result = errors()
    for name, cost in (("SUBSTITUTION", 1), ("GAP", 1), ("NULL", 0)):
        monkeypatch.setattr(confusion_network, name, cost)
    assert result < 0.95 * errors()


def test_confidence_by_hand() -> None:
    """alpha 0.5: cat 0.5 * 1/3 + 0.5 * 0.9 = 0.617; bat 0.5 * 2/3 + 0.5 * (0.2 + 0.3) / 2 = 0.458."""
    nbests = make_nbests(
        make_hypothesis("cat", 0.9), make_hypothesis("bat", 0.2), make_hypothesis("bat", 0.3)
    )
    result = combine_by_rover(nbests, SystemCombinationConfig(n_best=1, voting="average", alpha=0.5))
    assert result.text == "cat"
    share = (1 / 6 + 0.45) / (1 / 6 + 0.45 + 1 / 3 + 0.125)
    assert result.score == pytest.approx(math.log(share))
    assert text_of(nbests, voting="average", alpha=0.9) == "bat"
    assert text_of(nbests) == "bat"


def test_average_and_maximum_differ() -> None:
    """alpha 0: averages cat 0.6, bat (0.9 + 0.1) / 2 = 0.5; maxima cat 0.6, bat 0.9."""
    nbests = make_nbests(
        make_hypothesis("cat", 0.6), make_hypothesis("bat", 0.9), make_hypothesis("bat", 0.1)
    )
    assert text_of(nbests, voting="average", alpha=0.0) == "cat"
    assert text_of(nbests, voting="maximum", alpha=0.0) == "bat"


@pytest.mark.parametrize(("silence", "expected"), [(0.9, ""), (0.1, "um")])
def test_silence_has_its_own_confidence(silence: float, expected: str) -> None:
    nbests = make_nbests(make_hypothesis("um", 0.5), make_hypothesis(""), make_hypothesis(""))
    assert text_of(nbests, voting="average", alpha=0.2, null_confidence=silence) == expected


def test_weights_and_n_best_posteriors() -> None:
    assert vote("x", "y", "y", weights=(3.0, 1.0, 1.0)) == "x"
    scores = {"x": -1.0, "y": -1.1, "y z": -1.2}
    lists = make_nbests([make_hypothesis(text, score=score) for text, score in scores.items()])
    assert text_of(lists, n_best=3) == "y"  # together likelier than x
    assert text_of(lists, n_best=3, scale=20.0) == "x"
    assert text_of(lists) == "x"


def test_who_said_which_word() -> None:
    result = combine_by_rover(
        make_nbests(
            make_hypothesis("the cat", 0.8, 0.5),
            make_hypothesis("the bat", 0.4, 0.5),
            make_hypothesis("cat", 0.9),
        ),
        VOTES,
    )
    assert [token.piece for token in result.tokens] == [" the", " cat"]
    the, cat = (token.members for token in result.tokens)
    assert the == pytest.approx({"a": math.log(0.8), "b": math.log(0.4)})
    assert cat == pytest.approx({"a": math.log(0.5), "c": math.log(0.9)})
    assert [token.log_prob for token in result.tokens] == pytest.approx([math.log(2 / 3)] * 2)
    assert result.features == pytest.approx({"systems": 3.0, "agreement": 2 / 3, "unanimous": 0.0})


def test_a_column_where_silence_won_is_a_token_without_text() -> None:
    result = combine_by_rover(
        make_nbests(make_hypothesis("um yes"), make_hypothesis("yes"), make_hypothesis("yes")), VOTES
    )
    assert [token.piece for token in result.tokens] == ["", " yes"]
    assert result.tokens[0].members.keys() == {"b", "c"}
    assert result.n_tokens == len(result.tokens)


@given(sentences, st.integers(1, 4), settings_of)
def test_copies_of_one_system_are_that_system(
    text: str, copies: int, config: SystemCombinationConfig
) -> None:
    result = combine_by_rover(make_nbests(*[make_hypothesis(text)] * copies), config)
    assert (result.text, result.score) == (text, pytest.approx(0.0))


@given(st.lists(sentences, min_size=1, max_size=4), settings_of)
def test_the_score_is_the_sum_of_its_tokens(texts: list[str], config: SystemCombinationConfig) -> None:
    result = combine_by_rover(make_nbests(*map(make_hypothesis, texts)), config)
    assert result.score == pytest.approx(math.fsum(token.log_prob for token in result.tokens))
    assert "".join(token.piece for token in result.tokens).split() == result.text.split()


@given(st.lists(sentences, min_size=2, max_size=4))
def test_a_system_without_weight_changes_no_vote(texts: list[str]) -> None:
    """It may only open columns of its own, in which it has nothing to say."""
    alone = vote(texts[0], texts[0])
    assert vote(texts[0], texts[0], texts[1], weights=(1.0, 1.0, 0.0)) == alone


@given(sentences, sentences)
def test_a_majority_wins_in_every_order(many: str, one: str) -> None:
    """Order decides ties only, and with two against one there are none."""
    assert {vote(*order) for order in permutations([many, many, one])} == {many}


@pytest.mark.parametrize("voting", ["frequency", "average", "maximum"])
def test_a_system_without_weight_has_no_vote(voting: str) -> None:
    config = VOTES.model_copy(update={"voting": voting, "alpha": 0.7})
    assert vote("a cat", "a dog", config=config, weights=(0.0, 1.0)) == "a dog"
    assert vote("a dog", "a cat", config=config, weights=(1.0, 0.0)) == "a dog"
