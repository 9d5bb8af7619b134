from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from components.confidence.features import ESTIMATES, FEATURES, SUFFIX, extract_features
from components.records import Audio, Hypothesis, NBest, Quarantined, Route, Token, Utterance

UTTERANCE = Utterance(id="u", text="eine kleine Katze", source_language="de", target_language="en")


def hypothesis(text: str, *log_probs: float, **fields: object) -> Hypothesis:
    tokens = tuple(
        Token(piece=f"\u2581{word}", log_prob=p) for word, p in zip(text.split(), log_probs, strict=False)
    )
    values = {"score": sum(log_probs), "n_tokens": len(log_probs), "tokens": tokens, "system": "s"}
    return Hypothesis.model_validate({"text": text, **values, **fields})


def nbest(*hypotheses: Hypothesis) -> NBest:
    return NBest(utterance_id="u", hypotheses=hypotheses)


CAT = nbest(hypothesis("a small cat", -0.1, -0.5, -0.3), hypothesis("a little cat", -0.1, -1.5, -0.3))


def test_statistics_of_tokens_are_those_of_the_formulas() -> None:
    features = extract_features(CAT, UTTERANCE, {})
    assert features["mean_log_prob"] == pytest.approx(-0.3)
    assert features["min_log_prob"] == -0.5
    assert features["std_log_prob"] == pytest.approx(math.sqrt((0.2**2 + 0.2**2) / 3))


def test_tokens_that_write_no_text_count_in_the_mean_only() -> None:
    tokens = (
        Token(piece="<|0.00|>", log_prob=-4),
        Token(piece=" a", log_prob=-1),
        Token(piece="</s>", log_prob=-7),
    )
    text = nbest(Hypothesis(text="a", score=-12, n_tokens=3, system="s", tokens=tokens))
    features = extract_features(text, UTTERANCE, {})
    assert (features["mean_log_prob"], features["min_log_prob"], features["std_log_prob"]) == (-4, -1, 0)


def test_posteriors_are_a_softmax_over_different_texts() -> None:
    features = extract_features(CAT, UTTERANCE, {})
    first, second = math.exp(-0.9), math.exp(-1.9)
    assert features["posterior"] == pytest.approx(first / (first + second))
    assert features["margin"] == pytest.approx(1.0)
    twice = nbest(*CAT.hypotheses, hypothesis("a little cat", -0.1, -1.6, -0.3))
    assert extract_features(twice, UTTERANCE, {})["posterior"] == pytest.approx(features["posterior"])
    assert extract_features(twice, UTTERANCE, {})["sample_share"] == pytest.approx(1 / 3)


def test_the_distributions_of_tokens() -> None:
    tokens = tuple(
        Token(piece=f"\u2581{word}", log_prob=-1, entropy=entropy, margin=margin)
        for word, entropy, margin in (("a", 0.5, 2.0), ("cat", 1.5, 0.25))
    )
    features = extract_features(nbest(hypothesis("a cat", tokens=tokens)), UTTERANCE, {})
    assert (features["mean_entropy"], features["max_entropy"]) == (1.0, 1.5)
    assert (features["mean_margin"], features["min_margin"]) == (1.125, 0.25)


def test_disagreement_of_members_is_the_spread_of_their_log_probabilities() -> None:
    tokens = (
        Token(piece="\u2581a", log_prob=-1, members={"x": -1.0, "y": -3.0}),
        Token(piece="\u2581cat", log_prob=-1, members={"x": -2.0, "y": -2.0}),
        Token(piece="\u2581sat", log_prob=-1, members={"x": -2.0}),  # the other one was not run
    )
    features = extract_features(nbest(hypothesis("a cat sat", tokens=tokens)), UTTERANCE, {})
    assert (features["member_disagreement"], features["max_member_disagreement"]) == (0.5, 1.0)


def test_lengths_and_rates() -> None:
    features = extract_features(CAT, UTTERANCE, {})
    assert (features["word_ratio"], features["character_ratio"]) == (1.0, 11 / 17)
    assert "words_per_second" not in features
    audio = Audio(path="a.wav", sha256="0" * 64, seconds=2.0, sample_rate=16_000)
    speech = Utterance(id="u", audio=audio, source_language="en")
    features = extract_features(CAT, speech, {})
    assert (features["words_per_second"], features["characters_per_second"]) == (1.5, 5.5)
    assert "word_ratio" not in features


def test_further_inputs() -> None:
    samples = nbest(hypothesis("a cat", -0.5, -0.5), hypothesis("a small cat", -0.5, -0.5, -2))
    others = {
        "samples": samples,
        "other": nbest(hypothesis("A tiny cat.")),
        "forced": Route(utterance_id="u", branch="scored", value=-1.25),
        "broken": Quarantined(utterance_id="u", stage="broken", reason="r", detail="d"),
    }
    features = extract_features(CAT, UTTERANCE, others)
    chrf = CHRF()
    between = chrf.sentence_score("a cat", ["a small cat"]).score / 100
    against = chrf.sentence_score("a small cat", ["a cat"]).score / 100
    assert features["lexical_similarity.samples"] == pytest.approx(between)
    assert features["consensus.samples"] == pytest.approx((against + 1) / 2)
    assert features["passes_log_prob.samples"] == pytest.approx((-0.5 - 1) / 2)
    assert features["agreement_words.other"] == pytest.approx(2 / 3)
    assert features["mean_log_prob.samples"] == -0.5  # of its first text
    assert features["min_log_prob.samples"] == -0.5
    assert not {"mean_log_prob.other", "mean_log_prob.forced", "min_log_prob.other"} & features.keys()
    assert features["value.forced"] == -1.25
    assert not [name for name in features if name.endswith(".broken")]
    assert "lexical_similarity.other" not in features


def test_an_estimate_is_no_feature_but_the_numbers_of_a_system_are() -> None:
    own = {**dict.fromkeys(ESTIMATES, 0.5), "no_speech": 0.25, "my_number": 3.0}
    features = extract_features(nbest(hypothesis("a cat", features=own)), UTTERANCE, {})
    assert not features.keys() & set(ESTIMATES)
    assert (features["no_speech"], features["my_number"]) == (0.25, 3.0)


@settings(max_examples=50)
@given(
    texts=st.lists(st.text(max_size=12), min_size=1, max_size=4),
    score=st.floats(-1e4, 0),
    n_tokens=st.integers(0, 30),
)
def test_any_list_gives_finite_features_of_the_table(texts: list[str], score: float, n_tokens: int) -> None:
    rows = [Hypothesis(text=t, score=score - i, n_tokens=n_tokens, system="s") for i, t in enumerate(texts)]
    others = {"x": nbest(*rows), "y": Route(utterance_id="u", branch="w")}
    features = extract_features(nbest(*rows), UTTERANCE, others)
    assert all(math.isfinite(value) for value in features.values())
    assert {name.replace(".x", SUFFIX).replace(".y", SUFFIX) for name in features} <= FEATURES.keys()
    assert "min_log_prob" not in features  # no tokens
    assert ("posterior" in features) == (len(rows) > 1)
