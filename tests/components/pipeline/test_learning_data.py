"""What is refused of development data once they are loaded: too few, and those that an estimator has seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from components.confidence.estimators.fitted_estimator import FittedEstimator
from components.confidence.estimators.seen import fingerprint
from components.data import load
from components.data.stage import store_data
from components.errors import ConfigError
from components.pipeline.learning_data import check_learning_data
from components.pipeline.pipeline import DATA
from components.pipeline.reading.reader import read_pipeline
from components.pipeline.seen_data import Contents, describe_seen
from components.records import Audio, Utterance
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.whole_stage import StageFiles, compute_once
from components.storage.store import Store
from tests.manifests import write_rows

MT = {"kind": "translate", "model": "m"}
GUARANTEE = {"kind": "route", "of": "sure", "guarantee": {"risk": 0.1, "bad": "chrf < 40"}}


def write(path: Path, first: int, n: int) -> str:
    """A data set of texts by number, so that two overlap where their numbers do; ids say nothing of that."""
    rows = [
        {"id": f"{path.stem}{k}", "text": f"text {k}", "references": [f"Text {k}"]}
        for k in range(first, first + n)
    ]
    return write_rows(path, rows)


def check(folder: Path, nodes: dict[str, Any], data: str) -> list[str]:
    """The checks of a pipeline over a data set, and what its nodes have seen of it."""
    languages = ("en", "de")
    values = {"nodes": nodes, "source_language": languages[0], "target_language": languages[1]}
    pipeline, store = read_pipeline(values), Store(str(folder / "store"))
    sources = {DATA: (data, None)}
    for node in pipeline.data_nodes():
        settings: Any = node.settings
        sources[node.name] = (settings.source, settings.limit)
    sets = {
        name: store_data(source, None, languages, limit, store) for name, (source, limit) in sources.items()
    }
    check_learning_data(pipeline, sets, str(folder / "store"))
    return describe_seen(pipeline, sets, store=str(folder / "store"))


def test_an_estimator_that_was_fitted_on_the_data_of_a_guarantee_is_refused(tmp_path: Path) -> None:
    data, fit = write(tmp_path / "data.jsonl", 0, 60), write(tmp_path / "fit.jsonl", 100, 60)
    other, overlapping = write(tmp_path / "other.jsonl", 200, 60), write(tmp_path / "over.jsonl", 159, 60)
    nodes: dict[str, Any] = {"mt": MT, "sure": {"kind": "estimate", "of": "mt", "dev": fit}}
    go_on = {"again": {**MT, "when": "doubt.escalate"}}
    check(tmp_path, {**nodes, "doubt": {**GUARANTEE, "dev": other}, **go_on}, data)
    with pytest.raises(
        ConfigError, match=r"doubt: expected .* estimator of sure .* 60 of 60 .*\(fit100, fit101"
    ):
        check(tmp_path, {**nodes, "doubt": {**GUARANTEE, "dev": fit}, **go_on}, data)
    with pytest.raises(ConfigError, match=r"found 1 of 60 that it was \(over159\)"):
        check(tmp_path, {**nodes, "doubt": {**GUARANTEE, "dev": overlapping}, **go_on}, data)
    budget = {"kind": "route", "of": "sure", "budget": 0.3, "tiers": ["mt", "again"], "dev": fit}
    check(tmp_path, {**nodes, "doubt": budget, **go_on}, data)  # promises nothing


def test_a_finished_estimator_says_what_it_has_seen(tmp_path: Path) -> None:
    data, dev = write(tmp_path / "data.jsonl", 0, 60), write(tmp_path / "dev.jsonl", 100, 60)
    seen = fingerprint(Utterance(id="x", text="text 107", source_language="en"))
    values: dict[str, Any] = {"of": "translation", "method": "logistic", "targets": {}, "items": 1}
    FittedEstimator(**values, normalizer="none", seen=(seen,)).save(tmp_path)
    nodes = {
        "mt": MT,
        "sure": {"kind": "estimate", "of": "mt", "model": str(tmp_path)},
        "doubt": {**GUARANTEE, "dev": dev},
        "again": {**MT, "when": "doubt.escalate"},
    }
    with pytest.raises(ConfigError, match=r"found 1 of 60 that it was \(dev107\)"):
        check(tmp_path, nodes, data)


@pytest.mark.parametrize("kind", ["refine", "fuse"])
def test_a_gates_estimator_has_not_seen_what_it_judges(kind: str, tmp_path: Path) -> None:
    data, fit = write(tmp_path / "data.jsonl", 0, 60), write(tmp_path / "fit.jsonl", 59, 60)
    nodes: dict[str, Any] = {
        "dev": {"kind": "data", "source": fit},
        "mt-dev": {**MT, "of": "dev"},
        "fit": {"kind": "fit_estimator", "of": "mt-dev", "features": ["n_words", "word_ratio"]},
        "mt": {**MT, "of": "data"},
        "better": {"kind": kind, "of": "mt", "gate": "estimate", "estimator": "node:fit"},
    }
    with pytest.raises(
        ConfigError, match=r"better: expected .* estimator of better .* found 1 of 60 that it was \(data59\)"
    ):
        check(tmp_path, nodes, data)
    nodes["dev"]["source"] = write(tmp_path / "fit2.jsonl", 60, 60)
    check(tmp_path, nodes, data)


def test_fewer_than_50_utterances_are_refused_before_anything_runs(tmp_path: Path) -> None:
    data, few = write(tmp_path / "data.jsonl", 0, 3), write(tmp_path / "few.jsonl", 100, 49)
    tiers = {"tiers": ["mt", "again"], "dev": few}
    nodes: dict[str, Any] = {
        "mt": MT,
        "doubt": {"kind": "route", "of": "mt", "budget": 0.3, **tiers},
        "again": {**MT, "when": "doubt.escalate"},
    }
    with pytest.raises(ConfigError, match=r"doubt: expected at least 50 development utterances .* found 49"):
        check(tmp_path, nodes, data)
    nodes["doubt"] = {"kind": "route", "of": "mt", "budget": 0.3}  # a share of the very data
    check(tmp_path, nodes, data)
    nodes["sure"] = {"kind": "estimate", "of": "mt", "dev": few}
    with pytest.raises(ConfigError, match=r"sure: expected at least 50 development utterances .* found 49"):
        check(tmp_path, nodes, data)


def test_students_that_hear_are_not_taught_by_text_alone(tmp_path: Path) -> None:
    data, text = write(tmp_path / "data.jsonl", 0, 1), write(tmp_path / "text.jsonl", 0, 2)
    asr = {"kind": "recognize", "model": "w"}
    ears = {"kind": "distill", "learner": "recognition", "teacher": "asr", "data": text, "init_from": "w"}
    with pytest.raises(ConfigError, match="ears: expected speech to learn from, found only text in 2 utt"):
        check(tmp_path, {"asr": asr, "ears": ears}, data)
    spoken = {"voice": {"kind": "synthesize"}, "asr": {**asr, "of": "voice"}}
    check(tmp_path, {**spoken, "ears": {**ears, "speech": "voice"}}, data)


@pytest.mark.parametrize("asked", [{"budget": 0.3}, {"above": 30}])
def test_a_route_by_the_length_of_texts_that_there_are_not_is_refused(
    asked: dict[str, float], tmp_path: Path
) -> None:
    nodes = {
        "way": {"kind": "route", "by": "length", **asked},
        "asr": {"kind": "recognize", "when": "way.keep"},
    }
    sound = tmp_path / "a.wav"
    soundfile.write(sound, np.zeros(1600), 16000)
    rows = [{"id": "s", "audio": str(sound)}, {"id": "t", "text": "a dog"}]
    with pytest.raises(
        ConfigError, match="way: by: expected texts whose length is measured, found 1 recordin"
    ):
        check(tmp_path, nodes, write_rows(tmp_path / "spoken.jsonl", rows[:1]))
    check(tmp_path, nodes, write_rows(tmp_path / "written.jsonl", rows[1:]))


def test_scores_on_what_nodes_learn_from_say_so(tmp_path: Path) -> None:
    data, dev = write(tmp_path / "data.jsonl", 0, 60), write(tmp_path / "dev.jsonl", 59, 60)
    train = {"kind": "train", "data": write(tmp_path / "train.jsonl", 100, 2), "dev": dev}
    nodes: dict[str, Any] = {
        "tuned": train,
        "mt": {**MT, "model": "node:tuned"},
        "sure": {"kind": "estimate", "of": "mt", "dev": data},
    }
    (line,) = check(tmp_path, nodes, data)
    assert line.startswith("Not independent: 60 of the 60 utterances ")
    assert "(those of tuned, sure)" in line
    (line,) = check(tmp_path, {"tuned": train, "mt": nodes["mt"]}, data)
    assert "1 of the 60 " in line
    others = {**train, "dev": write(tmp_path / "others.jsonl", 200, 2)}
    assert not check(tmp_path, {"tuned": others, "mt": nodes["mt"]}, data)


def test_a_stored_model_says_which_data_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, other = write(tmp_path / "data.jsonl", 0, 60), write(tmp_path / "other.jsonl", 0, 59)
    digest = load(data, source_language="en", target_language="de").digest
    plan = StagePlan(stage="seed", kind="train", version="1", inputs={"data": digest})
    ref = compute_once(Store(str(tmp_path / "store")), plan, lambda folder: StageFiles((), 1))
    nodes = {"mt": {**MT, "model": f"store:{ref.key[:12]}", "backend": "encoder-decoder"}}
    (line,) = check(tmp_path, nodes, data)
    assert line.startswith("Not independent: 60 of the 60 ") and f"(those of store:{ref.key[:12]})" in line
    assert not check(tmp_path, nodes, other)
    made = StagePlan(
        stage="soup", kind="merge", version="1", models={"a": f"store:{ref.key}", "b": "store:12345678"}
    )
    soup = compute_once(Store(str(tmp_path / "store")), made, lambda folder: StageFiles((), 1))
    graph = {"nodes": {"mt": {**nodes["mt"], "model": f"store:{soup.key[:12]}"}}, "target_language": "de"}
    sets = {DATA: store_data(data, None, ("en", "de"), None, Store(str(tmp_path / "store")))}
    monkeypatch.setenv("ANTIPHON_STORE", str(tmp_path / "store"))
    (line,) = describe_seen(read_pipeline({**graph, "source_language": "en"}), sets)  # in the default store
    assert f"(those of store:{soup.key[:12]})" in line


@pytest.mark.parametrize(("trained", "warned"), [("data", True), ("dev", False)])
def test_coefficients_that_are_learned_where_a_member_was_trained_say_so(
    trained: str, warned: bool, tmp_path: Path
) -> None:
    data, dev = write(tmp_path / "data.jsonl", 0, 9), write(tmp_path / "dev.jsonl", 100, 60)
    sets = {"data": write(tmp_path / "train.jsonl", 200, 2), "dev": write(tmp_path / "val.jsonl", 300, 2)}
    digest = load(dev, source_language="en", target_language="de").digest
    plan = StagePlan(stage="old", kind="train", version="1", inputs={trained: digest})
    ref = compute_once(Store(str(tmp_path / "store")), plan, lambda folder: StageFiles((), 1))
    combine = {"method": "linear", "learn": "constants", "dev": dev}
    nodes: dict[str, Any] = {
        "new": {"kind": "train", **sets, trained: dev},
        "mt": {**MT, "members": ["node:new", f"store:{ref.key[:12]}"], "combine": combine},
    }
    lines = check(tmp_path, nodes, data)
    names = f"mt learns on data that store:{ref.key[:12]}, new learned from"
    assert [names in line for line in lines] == [True] * warned


def test_the_same_sentence_is_another_recording() -> None:
    def spoken(sha256: str) -> Utterance:
        audio = Audio(path="a", sha256=sha256 * 64, seconds=1, sample_rate=16000)
        return Utterance(id="x", audio=audio, transcript="Yes.", source_language="en")

    written = Utterance(id="y", text="Yes.", source_language="en")
    assert spoken("a") in Contents([spoken("a")])
    assert spoken("b") not in Contents([spoken("a")])
    assert written in Contents([spoken("a")])
    assert spoken("a") in Contents([written])
