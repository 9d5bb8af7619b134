"""A text again with estimates, and the node that fits them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.confidence.estimators.config import EstimatorConfig
from components.confidence.kinds.estimate import Estimate, EstimateSettings
from components.confidence.kinds.fit_estimator import FitEstimator
from components.errors import AntiphonError, ConfigError, DataError
from components.nodes.node_context import Item, NodeContext
from components.pipeline.reading.reader import read_pipeline
from components.records import NBest, Quarantined, Route, Utterance
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.whole_stage import compute_once
from components.storage.store import Store
from tests.components.nodes.items import SOUND, nbest

CONFIG = EstimatorConfig(targets=("p_correct", "word"), normalizer="none")
FIT = {"targets": CONFIG.targets, "normalizer": "none"}


def items(n: int, *, transcript: bool = True, values: bool = True) -> Iterator[Item]:
    """Every third transcript has a wrong word; the number in the table says which."""
    for k in range(n):
        is_wrong = k % 3 == 0
        text = nbest(f"u{k}", f"a {'bat' if is_wrong else 'cat'} {k}")
        inputs: dict[str, NBest | Route] = {"asr": text}
        if values:
            inputs["table"] = Route(utterance_id=f"u{k}", branch="scored", value=float(is_wrong))
        utterance = Utterance(
            id=f"u{k}",
            audio=SOUND,
            source_language="en",
            target_language="en",
            transcript=f"a cat {k}" if transcript else None,
        )
        yield Item(utterance=utterance, inputs=dict(inputs))


def context_of(folder: Path, **values: Any) -> NodeContext:
    fields = {"of": ("asr", "table"), "display_names": ("asr", "table"), "types": ("text", "table"), **values}
    return NodeContext("node", str(folder), transcripts=True, **fields)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StageRef]:
    """A store with an estimator."""
    folder = tmp_path_factory.mktemp("store")
    plan = StagePlan(stage="fit", kind="fit_estimator", version="1")
    context = context_of(folder)

    def work(path: Path) -> Any:
        return FitEstimator().collect(CONFIG, context, items(60), path)

    return folder, compute_once(Store(str(folder)), plan, work)


def estimated(fitted: tuple[Path, StageRef], read: list[Item], **values: Any) -> list[Any]:
    folder, ref = fitted
    context = replace(context_of(folder, **values), tables={"fitted": ref})
    return list(Estimate().build(EstimateSettings(fitted="fit"), context)(read))


def test_the_text_comes_back_with_what_the_table_said(fitted: tuple[Path, StageRef]) -> None:
    read = list(items(6))
    outcomes = estimated(fitted, read)
    for item, outcome in zip(read, outcomes, strict=True):
        before = item.inputs["asr"]
        is_wrong = "bat" in before.best.text
        assert outcome.best.text == before.best.text
        assert (outcome.best.features["p_correct"] < 0.2) == is_wrong
        assert len(outcome.best.word_confidences) == 3
        assert (outcome.best.word_confidences[1] < 0.5) == is_wrong
        bare = outcome.best.model_copy(update={"features": before.best.features, "word_confidences": ()})
        assert outcome.model_copy(update={"hypotheses": (bare,)}) == before


def test_a_batch_gives_what_its_items_give_alone(fitted: tuple[Path, StageRef]) -> None:
    together = estimated(fitted, list(items(6)))
    assert together == [estimated(fitted, [item])[0] for item in items(6)]


def test_a_text_that_was_quarantined_or_went_another_way_is_passed_on(fitted: tuple[Path, StageRef]) -> None:
    first, second, third = items(3)
    poison = Quarantined(utterance_id="u0", stage="asr", reason="poison", detail="-")
    quarantined = first.model_copy(update={"inputs": {**first.inputs, "asr": poison}})
    elsewhere = second.model_copy(update={"inputs": {"table": second.inputs["table"]}})
    outcomes = estimated(fitted, [quarantined, elsewhere, third])
    assert outcomes[0] == poison.model_copy(update={"stage": "node"})
    assert outcomes[1] is None
    assert isinstance(outcomes[2], NBest)


def test_a_feature_that_the_system_does_not_give_is_one_line(fitted: tuple[Path, StageRef]) -> None:
    alone = {"of": ("asr",), "display_names": ("asr",), "types": ("text",)}
    with pytest.raises(ConfigError, match=r"node: .*found no value\.2; value\.2 needs a table as number 2"):
        estimated(fitted, list(items(6, values=False)), **alone)


def test_a_batch_of_what_lacks_a_feature_by_its_nature_is_estimated(fitted: tuple[Path, StageRef]) -> None:
    silent, other = items(2)
    empty = silent.model_copy(update={"inputs": {**silent.inputs, "asr": nbest("u0", "")}})
    assert estimated(fitted, [empty])[0].best.text == ""
    poison = Quarantined(utterance_id="u1", stage="table", reason="poison", detail="-")
    unscored = other.model_copy(update={"inputs": {**other.inputs, "table": poison}})
    assert estimated(fitted, [unscored]) == estimated(fitted, [*items(1), unscored])[1:]
    unheard = other.model_copy(update={"inputs": {"asr": poison}})
    assert estimated(fitted, [unheard]) == [poison.model_copy(update={"stage": "node"})]


def test_an_estimator_of_transcripts_is_refused_for_translations(fitted: tuple[Path, StageRef]) -> None:
    folder, ref = fitted
    context = replace(context_of(folder), transcripts=False, tables={"fitted": ref})
    with pytest.raises(ConfigError, match="fitted: expected an estimator of translations, as asr gives"):
        Estimate().build(EstimateSettings(fitted="fit"), context)


def test_a_finished_estimator_is_named_by_key_or_path(fitted: tuple[Path, StageRef], tmp_path: Path) -> None:
    folder, ref = fitted
    by_table = estimated(fitted, list(items(6)))
    kind = Estimate()
    for model in (f"store:{ref.key}", f"store:{ref.key[:12]}", ref.path, f"{ref.path}/estimator.json"):
        settings = EstimateSettings(model=model)
        kind.check(settings, context_of(folder))
        assert list(kind.build(settings, context_of(folder))(list(items(6)))) == by_table
        is_file = not model.startswith("store:")
        assert bool(kind.facts(settings).files) == is_file
        assert bool(kind.digests(settings, context_of(folder))) != is_file
    damaged = Path(ref.path) / "estimator.json"
    content = damaged.read_bytes()
    damaged.write_bytes(content + b" ")
    with pytest.raises(AntiphonError, match="changed or damaged"):
        kind.check(EstimateSettings(model=f"store:{ref.key}"), context_of(folder))
    damaged.write_bytes(content)


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("packaged:whisper-bse", "expected a packaged estimator, of .*found 'whisper-bse'; did you mean"),
        ("store:0123456789", "expected one stage in"),
        ("store:no-such-run", "no-such-run"),
        ("/no/such/file.json", "No such file"),
    ],
)
def test_an_estimator_that_is_not_there_is_one_line(model: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(AntiphonError, match=fault) as caught:
        Estimate().check(EstimateSettings(model=model), context_of(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({}, "expected one of model"),
        ({"model": "packaged:whisper-base", "fitted": "fit"}, "found model and another"),
        ({"model": "packaged:whisper-base", "method": "isotonic"}, "method: a setting of the fitting"),
    ],
)
def test_where_an_estimator_comes_from_is_said_once(values: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        EstimateSettings.model_validate(values)


def test_settings_are_the_same_when_they_are_written_and_read() -> None:
    settings = EstimateSettings(model="packaged:whisper-base")
    assert EstimateSettings.model_validate_json(settings.model_dump_json()) == settings


def test_an_estimator_that_reads_tokens_is_refused_over_a_perturbed_text(tmp_path: Path) -> None:
    asr, worse = {"kind": "recognize"}, {"kind": "perturb", "of": "asr", "typos": 0.2}
    sure = {"kind": "estimate", "of": "worse", "model": "packaged:whisper-base"}
    pipeline = read_pipeline({"nodes": {"asr": asr, "worse": worse, "sure": sure}})
    node = pipeline.nodes["sure"]
    with pytest.raises(ConfigError, match="expected an estimator that needs no tokens, as worse gives none"):
        node.kind.check(node.settings, pipeline.context_of(node, str(tmp_path), 0))


def test_nothing_to_fit_on_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"node: expected at least 50 development utterances .*found 0"):
        FitEstimator().collect(CONFIG, context_of(tmp_path), items(60, transcript=False), tmp_path)
    with pytest.raises(ConfigError, match="targets: expected some of p_bad, expected_chrf for translations"):
        FitEstimator().check(CONFIG, replace(context_of(tmp_path), transcripts=False))


def test_a_graph_says_what_it_is_learned_from_and_stays_a_transcript() -> None:
    graph = read_pipeline(
        {
            "target_language": "de",
            "nodes": {
                "asr": {"kind": "recognize"},
                "mt": {"kind": "translate", "of": "asr"},
                "sure": {"kind": "estimate", "of": ["asr", "mt"], "dev": "dev.jsonl", "method": "isotonic"},
            },
        }
    )
    assert graph.nodes["sure"].settings.fitted == "sure--fit"  # type: ignore[attr-defined]
    assert graph.nodes["sure--fit"].settings.method == "isotonic"  # type: ignore[attr-defined]
    assert graph.outputs == {"transcript": "sure", "translation": "mt"}  # though it read a translation
    with pytest.raises(ConfigError, match="sure: of: expected the text that is estimated first, found score"):
        read_pipeline(
            {
                "nodes": {
                    "asr": {"kind": "recognize"},
                    "score": {"kind": "score_texts", "of": "asr", "metric": "cometkiwi:x"},
                    "sure": {"kind": "estimate", "of": ["score", "asr"], "model": "packaged:whisper-base"},
                }
            }
        )
