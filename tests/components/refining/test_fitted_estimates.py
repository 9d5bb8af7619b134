"""A fitted estimator as gate and stop rule: by a known rule, that longer transcripts are right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.confidence.estimators.config import EstimatorConfig
from components.confidence.estimators.examples import Example, TextFeatures
from components.confidence.estimators.fitted_estimator import FittedEstimator, read_estimator
from components.confidence.estimators.training import fit_estimator
from components.errors import ConfigError
from components.fusing import fuser
from components.fusing.config import FuseConfig
from components.fusing.fuser import Fuser, Lists
from components.fusing.prompted import Answer
from components.records import NBest, Utterance
from components.refining import checks
from components.refining.config import RefineConfig
from components.refining.judging.proposal_judge import ProposalJudge
from components.refining.kinds.loop import Loop, LoopRoundSettings
from tests.components.nodes.items import nbest
from tests.components.refining.test_rounds import Script, refined_from, stopped

ITEM = Utterance(id="u", text="x", source_language="en", target_language="en", transcript="x")


refined = partial(refined_from, nbest("u", "a b"), ITEM)


def fit(folder: Path, feature: str) -> str:
    """An estimator by which a transcript is the likelier right the higher one feature is."""
    draw = random.Random(0)
    examples = []
    for n in range(120):
        value = draw.random() * 8
        is_right = draw.random() < value / 8
        features = TextFeatures({feature: value})
        text = f"t{n}" if is_right else "wrong"
        examples.append(Example(str(n), text, (f"t{n}",), "en", features))
    config = EstimatorConfig(normalizer="none", targets=("p_correct", "expected_wer"))
    folder.mkdir()
    fit_estimator(examples, "transcript", config).save(folder)
    return str(folder)


@pytest.fixture(scope="module")
def by_length(tmp_path_factory: pytest.TempPathFactory) -> str:
    """More words, more likely right."""
    return fit(tmp_path_factory.mktemp("fits") / "length", "n_words")


@pytest.fixture(scope="module")
def by_agreement(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The more words a second text shares, the better."""
    return fit(tmp_path_factory.mktemp("fits") / "agreement", "agreement_words.2")


def estimate(reference: str, n_words: float, name: str = "p_correct") -> float:
    """What the estimator itself says of a feature."""
    fitted: FittedEstimator = read_estimator(Path(reference))
    (annotated,) = fitted.annotate([nbest("u", "x")], [TextFeatures({"n_words": n_words})])
    return annotated.best.features[name]


def test_a_round_is_accepted_only_if_the_estimate_rises(
    monkeypatch: pytest.MonkeyPatch, by_length: str
) -> None:
    past = refined(monkeypatch, ["x", "x y", "x y z"], gate="estimate", estimator=by_length)
    assert [outcome.best.text for outcome in past] == ["a b", "a b", "a b", "x y z"]
    kept, refused = past[1].hypotheses
    assert kept.features["p_correct"] == kept.features["gate"] == pytest.approx(estimate(by_length, 2))
    assert refused.features["p_correct"] == pytest.approx(estimate(by_length, 1))
    assert past[3].best.features["p_correct"] == pytest.approx(estimate(by_length, 3))
    errors = refined(
        monkeypatch, ["x", "x y z"], gate="estimate", estimator=by_length, estimate="expected_wer"
    )
    assert [outcome.best.text for outcome in errors] == ["a b", "a b", "x y z"]
    assert errors[2].best.features["expected_wer"] == pytest.approx(estimate(by_length, 3, "expected_wer"))


def test_a_text_whose_estimate_reaches_the_threshold_leaves(
    monkeypatch: pytest.MonkeyPatch, by_length: str
) -> None:
    settings: dict[str, Any] = {"gate": "off", "estimator": by_length, "estimate": "p_correct"}
    reached = estimate(by_length, 3)
    past = refined(monkeypatch, ["x", "x y z"], **settings, stop_estimate=reached)
    assert [stopped(outcome) for outcome in past] == [None, None, "estimate"]
    monkeypatch.setattr(Script, "propose", None)  # of a good draft nothing is asked
    (_, outcome) = refined(monkeypatch, ["x"], **settings, stop_estimate=estimate(by_length, 2))
    assert (outcome.best.text, stopped(outcome)) == ("a b", "estimate")
    assert outcome.best.decision is not None and not outcome.best.decision.accepted


def test_a_loop_reads_estimates_that_its_texts_bring() -> None:
    def judge(draft: dict[str, float], proposal: dict[str, float], **settings: Any) -> NBest:
        config = LoopRoundSettings.model_validate({"gate": "estimate", **settings})
        texts = [nbest("u", "a", features=draft), nbest("u", "b", features=proposal)]
        (outcome,) = ProposalJudge(config).judge_round([ITEM], [texts[:1]], texts[1:])
        assert isinstance(outcome, NBest)
        return outcome

    assert judge({"p_bad": 0.4}, {"p_bad": 0.5, "expected_chrf": 99}).best.text == "a"
    accepted = judge({"p_bad": 0.4}, {"p_bad": 0.2}, stop_estimate=0.3, estimate="p_bad")
    assert (accepted.best.text, accepted.best.features["p_bad"], stopped(accepted)) == ("b", 0.2, "estimate")
    with pytest.raises(
        ConfigError, match="expected texts with an estimate, found one without; say estimator"
    ):
        judge({"p_bad": 0.4}, {"p_correct": 0.5})
    body = {"fix": {"kind": "refine", "of": "better"}}
    with pytest.raises(ConfigError, match="ends with a node of kind estimate, found fix of kind refine"):
        Loop().expand("better", {"of": "asr", "rounds": 1, "gate": "estimate", "body": body})


def test_fused_texts_are_compared_with_the_further_lists(
    monkeypatch: pytest.MonkeyPatch, by_agreement: str
) -> None:
    answers = iter(["the cat sat here", "the cat sad there"])

    class Writer:
        checkpoint = SimpleNamespace(reference="writer")

        def answer(self, questions: Sequence[Any]) -> list[Answer]:
            return [Answer(next(answers), -1.0, 3) for _ in questions]

    monkeypatch.setitem(fuser.METHODS, "prompted", lambda config, store: Writer())
    config = FuseConfig(gate="estimate", estimator=by_agreement, max_edit=None)
    lists = [nbest("u", "the cat sad here"), nbest("u", "the cat sat here")]
    lots = Lists(ITEM, lists, {"2": lists[1]})
    accepted, refused = Fuser(config, transcripts=True).fuse([lots, lots])
    assert accepted.best.text == "the cat sat here"
    assert accepted.best.features["p_correct"] == accepted.best.features["gate_proposed"]
    assert refused.best.text == "the cat sad here"
    assert "gate estimate does not rise" in refused.best.decision.feedback
    assert refused.best.features["p_correct"] == refused.best.features["gate_before"]


def test_what_cannot_judge_a_proposal_is_refused_before_anything_runs(
    tmp_path: Path, by_length: str, by_agreement: str
) -> None:
    def refuse(match: str, *, transcripts: bool = True, texts: int | None = 1, **settings: Any) -> None:
        with pytest.raises((ConfigError, ValueError), match=match):
            config = RefineConfig.model_validate({"gate": "estimate", **settings})
            checks.check_gate(config, None, transcripts=transcripts, texts=texts)

    refuse("expected a fitted one for gate: estimate")
    refuse("expected one of translations, found", transcripts=False, estimator=by_length)
    refuse("found agreement_words.2 in", estimator=by_agreement)
    refuse("found agreement_words.2 in", estimator=by_agreement, texts=None)
    refuse("found mean_log_prob in", estimator=fit(tmp_path / "tokens", "mean_log_prob"))
    refuse(
        "expected p_bad, found that .* gives expected_wer, p_correct", estimator=by_length, estimate="p_bad"
    )
    refuse("expected a packaged estimator, of .* found 'gemma'", estimator="packaged:gemma")
    refuse("stop_estimate: expected estimate to say", estimator=by_length, stop_estimate=0.5)
    refuse("expected gate: estimate or stop_estimate", gate="off", estimator=by_length)
    by_two = RefineConfig(gate="estimate", estimator=by_agreement)
    checks.check_gate(by_two, None, transcripts=True, texts=2)
    checks.check_gate(RefineConfig(gate="estimate", estimator="node:fit"), None, transcripts=True)
