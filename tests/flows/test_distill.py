"""The distill flow with tiny models: every level, an ensemble and a whole run as teachers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components import models
from components.errors import ConfigError
from components.models.weight_digests import resolve_weight_digests
from components.pipeline.planning import plan_nodes
from components.run_record import StageRef
from components.storage.stages.reader import read_nbests
from components.storage.store import Store
from components.training.kinds.targets import TARGETS
from components.translation.context.domain import read_domain
from flows.preset_flow import cascade, distill, train
from flows.presets.parameters.distillation import LEVELS, teacher_outputs
from flows.registry import flow_named
from reports.analyses.verdict import verdict_of
from tests.components.storage.written import shard_paths
from tests.components.training.tiny import TINY, draw_lines, write_copies

SMALL = {**TINY, "num_layers": 2}
BUDGET = {"max_steps": 4, "eval_every": 2, "eval_sentences": 4, "average_checkpoints": 1}


@pytest.fixture(scope="module")
def world(server: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Toy data, a store, and two teachers in it that share a vocabulary."""
    folder = tmp_path_factory.mktemp("world")
    toy, store = write_copies(folder, draw_lines(40)), str(folder / "store")
    common = {**SMALL, **BUDGET, "data": toy, "dev": toy, "store": store, "beam_size": 1}
    taught = train(**common, seed=1)
    first = taught.stages[0].key
    second = train(**common, seed=2, tokenizer=f"store:{first}").stages[0].key
    student = {**SMALL, **BUDGET, "data": toy, "dev": toy, "num_layers": 2, "decoder_layers": 1}
    teacher = {
        "model": f"store:{first}",
        "members": [f"store:{second}"],
        "beam_size": 2,
        "n_best": 2,
        "max_tokens": 12,
    }
    settings = {"store": store, "student": student, "teacher": {**teacher, "device": "cpu"}, "beam_size": 1}
    return {
        "settings": settings,
        "toy": toy,
        "store": store,
        "models": (first, second),
        "scores": taught.metrics,
    }


def stage(run: Any, name: str) -> StageRef:
    return next(ref for ref in run.stages if ref.stage == name)


def rows(ref: StageRef) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(ref.path) / TARGETS).read_text("utf-8").splitlines()]


def test_what_the_student_lost_is_said_by_the_scores_that_the_teacher_had(world: dict[str, Any]) -> None:
    teacher = {**world["settings"]["teacher"], "members": []}
    run = distill(**{**world["settings"], "teacher": teacher}, level="word", name="lost")
    assert run.metrics["teacher_dev_chrf"].value == world["scores"]["dev_chrf"].value
    lost = run.metrics["teacher_dev_chrf"].value - run.metrics["dev_chrf"].value
    (sentence,) = (each.text for each in verdict_of(run) if "dev" in each.text and "chrF" in each.text)
    assert f"{'lost' if lost > 0 else 'gained'} {abs(lost):.1f}" in sentence


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_leaves_a_student_in_the_store(world: dict[str, Any], level: str) -> None:
    run = distill(**world["settings"], level=level, name=f"level-{level}")
    expected = ["data", "mt", "targets"] if LEVELS[level].choose else []
    assert [ref.stage for ref in run.stages] == [*expected, "training", "scores"]
    assert "dev_bleu" in run.metrics
    trained = stage(run, "training")
    assert f"training: model store:{trained.key[:12]}" in run.notes
    checkpoint = models.resolve(f"store:{trained.key}", world["store"])
    shape = json.loads((Path(checkpoint.path) / "config.json").read_text("utf-8"))
    assert (shape["encoder_layers"], shape["decoder_layers"]) == (2, 1)
    domain = read_domain(Path(checkpoint.path))
    assert (domain.description == "text like that of its teacher") == bool(LEVELS[level].choose)


def test_the_targets_are_what_the_ensemble_says_and_all_is_reused(world: dict[str, Any]) -> None:
    run = distill(**world["settings"], level="sequence", name="first")
    output = {nbest.utterance_id: nbest.best.text for nbest in read_nbests(stage(run, "mt"))}
    sources = (Path(world["toy"].split(",")[0])).read_text("utf-8").splitlines()
    result = rows(stage(run, "targets"))
    # An untrained teacher may say nothing to some sources: those teach nothing.
    assert [row["id"] for row in result] == [key for key, text in output.items() if text]
    assert all(row["references"] == [output[row["id"]]] for row in result)
    assert {row["text"] for row in result} <= set(sources)
    again = distill(**world["settings"], level="sequence", name="again")
    assert all(ref.reused for ref in again.stages)
    assert again.metrics == run.metrics


def test_a_whole_run_is_a_teacher(world: dict[str, Any]) -> None:
    settings, (first, _) = world["settings"], world["models"]
    mt = {"model": f"store:{first}", "beam_size": 1, "n_best": 1, "max_tokens": 12, "device": "cpu"}
    cascade(
        data=world["toy"], source_language="en", target_language="de", mt=mt, store=world["store"], name="c"
    )
    teacher = {"run": "c"}
    student = {**settings["student"], "tokenizer": f"store:{first}"}
    run = distill(**{**settings, "teacher": teacher, "student": student}, level="sequence")
    assert [ref.stage for ref in run.stages] == ["data", "mt", "targets", "training", "scores"]
    assert stage(run, "mt").key == next(
        r.key for r in Store(world["store"]).load_run("c").stages if r.stage == "mt"
    )
    with pytest.raises(ConfigError, match="the word level needs a model's distributions"):
        distill(**{**settings, "teacher": teacher}, level="word")
    train_run = next(path.name for path in (Path(world["store"]) / "runs").glob("*-train"))
    with pytest.raises(
        ConfigError, match="expected a run with the stage data and translations, found training, scores"
    ):
        distill(**{**settings, "teacher": {"run": train_run}}, level="sequence")


def test_the_last_translation_of_a_run_teaches(world: dict[str, Any]) -> None:
    mt = {"model": f"store:{world['models'][0]}", "n_best": 1, "max_tokens": 12, "device": "cpu"}
    common = {"data": world["toy"], "source_language": "en", "target_language": "de", "store": world["store"]}
    drafts = cascade(**common, mt={**mt, "beam_size": 1}, name="drafts")
    other = stage(cascade(**common, mt={**mt, "beam_size": 2}, name="other"), "mt")
    stages = (*drafts.stages, other.model_copy(update={"stage": "refine-1"}))
    store = Store(world["store"])
    graph = drafts.pipeline.model_copy(update={"outputs": {"translation": "refine-1"}})
    store.save_run(drafts.model_copy(update={"name": "whole", "stages": stages, "pipeline": graph}))
    taught = teacher_outputs("whole", world["store"])
    assert (taught["data"].key, taught["mt"].key) == (stage(drafts, "data").key, other.key)


def test_a_damaged_output_of_the_teacher_is_refused(world: dict[str, Any]) -> None:
    mt = {
        "model": f"store:{world['models'][0]}",
        "beam_size": 3,
        "n_best": 1,
        "max_tokens": 12,
        "device": "cpu",
    }
    common = {"data": world["toy"], "source_language": "en", "target_language": "de", "store": world["store"]}
    spoilt = stage(cascade(**common, mt=mt, name="spoilt"), "mt")
    with shard_paths(spoilt.path)[0].open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(Exception, match=r"stage mt .* is damaged"):
        distill(**{**world["settings"], "teacher": {"run": "spoilt"}}, level="sequence")


def test_the_key_follows_what_decides_the_student(world: dict[str, Any]) -> None:
    def key(**changes: Any) -> str:
        entry = flow_named("distill")
        parameters = entry.parameters.model_validate({**world["settings"], "level": "word", **changes})
        plans = plan_nodes(entry.pipeline(parameters), {}, world["store"], 0, resolve_weight_digests)
        return plans["training"].stage.key

    alone = {**world["settings"]["teacher"], "members": []}
    shares = {**world["settings"]["teacher"], "coefficients": [0.9, 0.1]}
    result = [key(), key(temperature=2.0), key(kd_ratio=0.9), key(teacher=alone), key(teacher=shares)]
    assert len({*result, key(teacher_layers=True), key(level="none")}) == 7
    assert key() == key(test=world["toy"], beam_size=2)


def test_what_cannot_be_combined_is_refused(world: dict[str, Any]) -> None:
    settings = world["settings"]
    mixed = {**settings["teacher"], "method": "log_linear"}
    with pytest.raises(ConfigError, match="imitates the linear mixture, found log_linear"):
        distill(**{**settings, "teacher": mixed}, level="word")
    started = {**settings["student"], "init_from": f"store:{world['models'][0]}"}
    with pytest.raises(ConfigError, match=r"expected teacher_layers or student\.init_from, found both"):
        distill(**{**settings, "student": started}, level="none", teacher_layers=True)
