"""The node that learns a route, and the route that reads what it learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError, DataError
from components.nodes.node_context import Item, NodeContext
from components.pipeline.reading.reader import read_pipeline
from components.records import Hypothesis, NBest, Route, Token
from components.routing.kinds.fit_route import FitRoute
from components.routing.kinds.route import RouteKind
from components.routing.kinds.route_settings import FitRouteSettings
from components.routing.route_fit import RouteFit, read_route_fit
from components.routing.summary import describe_fit
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan
from tests.components.nodes.items import item

SITE = NodeContext(
    "fit", of=("fast", "good"), types=("text", "text"), display_names=("fast", "good"), transcripts=True
)


def text(key: str, words: str, doubt: float, **features: float) -> NBest:
    hypothesis = Hypothesis(text=words, score=-doubt, n_tokens=1, system="s", features=features)
    return NBest(utterance_id=key, hypotheses=(hypothesis,), language="en")


def with_best(nbest: Any, **fields: Any) -> NBest:
    return nbest.model_copy(update={"hypotheses": (nbest.best.model_copy(update=fields),)})


def development(n: int = 60, **features: float) -> list[Item]:
    """Every third cheap text lacks one of two words, and is more doubtful; the expensive ones are right."""
    examples = []
    for number in range(n):
        key, wrong = f"u{number}", number % 3 == 0
        cheap = text(key, "a" if wrong else "a b", number / n + wrong, **features)
        example = item(key, fast=cheap, good=text(key, "a b", 0.1))
        spoken = example.utterance.model_copy(update={"transcript": "a b"})
        examples.append(example.model_copy(update={"utterance": spoken}))
    return examples


def learn(folder: Path, values: dict[str, Any], read: list[Item], context: NodeContext = SITE) -> RouteFit:
    folder.mkdir(exist_ok=True)
    settings = FitRouteSettings.model_validate(values)
    FitRoute().check_inputs(settings, context)
    FitRoute().collect(settings, context, iter(read), folder)
    return read_route_fit(folder)


def routed(folder: Path, read: list[Item]) -> list[Route]:
    plan = StagePlan(stage="fit", kind="fit_route", version="1")
    empty = {"sha256": "0" * 64, "quarantined": 0, "seconds": 0, "peak_memory_bytes": 0, "reused": False}
    ref = StageRef(stage="fit", kind="fit_route", key=plan.key, path=str(folder), items=1, **empty)
    settings = RouteKind.settings.model_validate({"fitted": "fit"})
    context = NodeContext(
        "doubt", store=str(folder.parent), of=("fast",), types=("text",), tables={"fitted": ref}
    )
    alone = [each.model_copy(update={"inputs": {"fast": each.inputs["fast"]}}) for each in read]
    return list(RouteKind().build(settings, context)(alone))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "fit"
    monkeypatch.setattr(NodeContext, "table_folder", lambda self, role: folder)
    return folder


def test_a_budget_of_dev_is_the_share_that_escalates(folder: Path) -> None:
    read = development()
    fit = learn(folder, {"budget": 0.2}, read)
    outcomes = routed(folder, read)
    assert (fit.by, fit.size, fit.n) == ("mean_log_prob", 12, 60)
    doubtful = sorted(range(0, 60, 3), reverse=True)[:12]
    assert {int(each.utterance_id[1:]) for each in outcomes if each.branch == "escalate"} == set(doubtful)
    assert fit.quality == pytest.approx(100 * 8 / 120)
    assert describe_fit(fit)[1].startswith("WER 6.67 (")
    assert describe_fit(fit)[1].endswith("instead of 16.67, 60% of what full escalation gains (0.00)")


def test_a_guarantee_needs_the_cheap_rung_alone(folder: Path) -> None:
    context = NodeContext("fit", of=("fast",), types=("text",), display_names=("fast",), transcripts=True)
    asked = {"guarantee": {"risk": 0.2, "bad": "wer >= 50%"}}
    fit = learn(folder, asked, development(), context)
    assert fit.curve is None and fit.guarantee is not None and fit.guarantee.bad_outputs == 20
    assert fit.size == 14  # six of sixty show a share below 0.2 with 95% confidence, seven do not
    hopeless = learn(folder, {"guarantee": {"risk": 0.01, "bad": "wer > 0"}}, development(), context)
    assert hopeless.escalates == "all"
    assert describe_fit(hopeless)[-1].endswith("; it takes 299 utterances at least")
    assert {each.branch for each in routed(folder, development())} == {"escalate"}


def test_silence_has_no_number_of_tokens_and_stays_unless_a_guarantee_was_shown_of_the_others(
    folder: Path,
) -> None:
    read = development()
    spoken = {"tokens": (Token(piece="a", log_prob=-0.5),)}
    for each in read[1:]:
        cheap = each.inputs["fast"]
        each.inputs["fast"] = with_best(cheap, **spoken)
    read[0].inputs["fast"] = text("u0", "", 3.0)
    context = NodeContext("fit", of=("fast",), types=("text",), display_names=("fast",), transcripts=True)
    for asked, way in (({"budget": 0.5}, "keep"), ({"guarantee": GUARANTEE}, "escalate")):
        fit = learn(folder, {"by": "min_log_prob", **asked}, read, context)
        assert (fit.n, routed(folder, read)[0].branch) == (59, way)


def test_confidence_is_the_calibrated_probability_where_every_text_has_it(folder: Path) -> None:
    assert learn(folder, {"budget": 0.5}, development(p_correct=0.3)).by == "p_correct"
    assert learn(folder, {"budget": 0.5}, development(p_bad=0.3)).doubtful == "high"
    mixed = development(p_correct=0.3)[:30] + development()[30:]
    assert learn(folder, {"budget": 0.5}, mixed).by == "mean_log_prob"


def test_several_numbers_predict_the_gain(folder: Path) -> None:
    read = development(90)
    fit = learn(folder, {"by": ["mean_log_prob", "n_words"], "budget": 1 / 3}, read)
    assert fit.by == "gain by mean_log_prob, n_words"
    assert fit.curve is not None and fit.curve.area is not None and fit.curve.area > 0.95
    outcomes = routed(folder, read)
    assert {each.branch for each in outcomes[::3]} == {"escalate"}
    assert {each.branch for each in outcomes[1::3]} == {"keep"}
    assert outcomes[0].value == pytest.approx(50, abs=10)  # one of two words


@pytest.mark.parametrize(
    ("values", "n", "message"),
    [
        ({"target": {"value": 1}}, 20, "target: expected at least 50 development utterances with references"),
        ({"by": "no_such", "budget": 0.5}, 20, "expected a number no_such, found only length, "),
        ({"by": ["n_words", "no_such"], "budget": 0.5}, 60, "found no no_such; they have n_words"),
        ({"by": ["no_such"], "budget": 0.5}, 60, "expected utterances with gain by no_such, found none"),
        ({"by": ["n_best"], "budget": 0.5}, 60, "and that differ, found none of n_best"),
        ({"by": ["n_words"], "budget": 0.5}, 20, "by: several: expected at least 50 development utterances"),
        ({"metric": "chrf", "target": {"value": 90}}, 60, "with references that chrf reads, found none"),
    ],
)
def test_data_that_do_not_do_are_refused(folder: Path, values: dict[str, Any], n: int, message: str) -> None:
    with pytest.raises(DataError) as fault:
        learn(folder, values, development(n))
    assert message in str(fault.value)


def test_without_any_difference_there_is_nothing_to_predict(folder: Path) -> None:
    same = [
        each.model_copy(update={"inputs": {**each.inputs, "good": each.inputs["fast"]}})
        for each in development()
    ]
    with pytest.raises(DataError, match="in which escalation changes the score, found none"):
        learn(folder, {"by": ["n_words", "mean_log_prob"], "budget": 0.5}, same)
    fit = learn(folder, {"budget": 0.5}, same)
    assert describe_fit(fit)[1].endswith("; full escalation gains nothing (16.67)")


ASR = {"kind": "recognize"}
GUARANTEE = {"risk": 0.1, "bad": "wer > 0.2"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"budget": 0.3, "below": 1}, "expected a threshold or budget, found both"),
        (
            {"budget": 0.3, "target": {"value": 8}, "dev": "sample"},
            "expected one of budget, budget_seconds, target, guarantee",
        ),
        ({"target": {"value": 8}}, "target: expected dev: DATA SET (with references) to learn from"),
        ({"budget": 30}, "expected at most 1.0, found 30"),
        ({"guarantee": {"risk": 0.1, "bad": "wer > 20"}, "dev": "sample"}, "say 20%"),
        ({"guarantee": {**GUARANTEE, "risk": 2}, "dev": "sample"}, "expected less than 1.0, found 2"),
        ({"target": {"value": 8}, "dev": "sample"}, "target: expected tiers: [CHEAP, EXPENSIVE]"),
        ({"by": ["margin", "score"], "budget": 0.3}, "by: several: expected tiers: [CHEAP, EXPENSIVE]"),
        ({"by": ["margin"], "below": 3}, "by: expected one number for a threshold, found several"),
        ({"by": ["margin"], "guarantee": GUARANTEE, "dev": "sample"}, "expected one number for a guarantee"),
        (
            {"by": "language", "budget": 0.3},
            "branches: expected some such as {german: [de]} for by: language",
        ),
        ({"budget": 0.3, "tiers": ["fast", "good"]}, "tiers: expected dev: DATA SET"),
        ({"fitted": "fast"}, "doubt.fitted: expected a node of kind fit_route, found fast (recognize)"),
        ({"budgett": 0.3}, "doubt.budgett: route has no such setting; did you mean budget?"),
    ],
)
def test_faults_of_a_file_are_a_line_each(values: dict[str, Any], message: str) -> None:
    nodes = {"fast": ASR, "doubt": {"kind": "route", "of": "fast", **values}}
    nodes["good"] = {**ASR, "beam_size": 2, "when": "doubt.escalate"}
    with pytest.raises(ConfigError) as fault:
        read_pipeline({"nodes": nodes})
    assert message in str(fault.value)


def test_a_budget_without_dev_is_learned_from_what_it_routes() -> None:
    nodes = {"fast": ASR, "doubt": {"kind": "route", "of": "fast", "budget": 0.3}}
    nodes["good"] = {**ASR, "beam_size": 2, "when": "doubt.escalate"}
    graph = read_pipeline({"nodes": nodes})
    assert graph.nodes["doubt--fit"].of == ("fast",)
    assert graph.nodes["doubt"].tables == {"fitted": "doubt--fit"}
    assert graph.nodes["doubt"].kind.facts(graph.nodes["doubt"].settings).description == (
        "by confidence, at most 0.3 of the utterances"
    )
