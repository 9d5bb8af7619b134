"""The stack flow with tiny models: every method trains, translates, is scored, and is reused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from components import audio
from components.attribution.blame import BLAME
from components.attribution.contributions import CONTRIBUTION
from components.errors import ConfigError
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.recognition import factory as recognition
from components.recognition.config import RecognitionConfig
from components.records import Hypothesis, NBest, Outcome, Utterance
from components.stacking import translator
from components.stacking.config import StackConfig
from components.stacking.methods import StackSource
from components.stacking.model_folder import load_stacked
from components.storage.stages.reader import read_nbests
from components.synthesis import engines
from flows.checks import run_checks
from flows.preset_flow import stack
from flows.python_flows.blame import blame
from flows.python_flows.contribution import contribution
from flows.registry import flow_named
from tests.components.stacking.tiny import WORDS, saved, text_model, tone, whisper
from tests.components.synthesis.double import ENGINE
from tests.manifests import write_rows


class Hearing:
    """A recognizer that knows what is said."""

    version = 1

    def recognize(self, utterances: list[Utterance]) -> list[Outcome]:
        result: list[Outcome] = []
        for utterance in utterances:
            texts = [str(utterance.transcript), "ein hund"]
            hypotheses = tuple(Hypothesis(text=t, score=-1.0, n_tokens=2, system="asr") for t in texts)
            result.append(
                NBest(utterance_id=utterance.id, hypotheses=hypotheses, language=utterance.source_language)
            )
        return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models, and a spoken data set of ten tones."""
    root = tmp_path_factory.mktemp("stack")
    text_model(root / "text")
    whisper(root / "whisper")
    rows = []
    for n in range(10):
        tone(root / f"u{n}.wav", 200 + 100 * n)
        output = f"{WORDS[n]} {WORDS[n + 1]}"
        rows.append({"id": f"u{n}", "audio": f"u{n}.wav", "transcript": output, "references": [output]})
    write_rows(root / "spoken.jsonl", rows)
    return root


@pytest.fixture
def settings(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    real = recognition.build

    def build(config: RecognitionConfig, store: str | None = None, **more: Any) -> Any:
        return real(config, store, **more) if "task" in more else Hearing()

    monkeypatch.setattr(recognition, "build", build)
    model, data = str(folder / "text"), str(folder / "spoken.jsonl")
    learn = {
        "data": data,
        "limit": 8,
        "dev": data,
        "dev_limit": 4,
        "init_from": model,
        "fold_steps": 2,
        "max_tokens": 12,
    }
    learn |= {"speech_model": str(folder / "whisper"), "steps": 4, "eval_every": 2, "window_seconds": 1.0}
    return {
        "data": data,
        "source_language": "en",
        "target_language": "de",
        "asr": RecognitionConfig(model=str(folder / "whisper")).model_dump(),
        "mt": {"model": model, "beam_size": 2, "n_best": 2, "max_tokens": 12},
        "learn": learn,
        "store": str(tmp_path / "store"),
    }


def stacked(method: str, **more: object) -> dict[str, object]:
    return {"method": method, "beam_size": 2, "n_best": 2, "max_tokens": 12, **more}


TRAINED = ("data--train", "asr--train", "stack-states", "asr--dev", "stack-dev-states", "stack-training")
LEARNED = {
    "dual_source": TRAINED,
    "late_fusion": (*TRAINED, "stack-coefficient"),
    "pre_translation": ("data--train", "asr--dev", "mt--dev", "stack-training"),
}
"""The nodes that make what a method needs: everything is spoken, so nothing is synthesized."""


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("method", ["dual_source", "late_fusion", "pre_translation"])
def test_a_method_trains_its_model_and_stacks(method: str, settings: dict[str, Any]) -> None:
    system = stacked(method, transcripts=2 if method == "dual_source" else 1)
    first = stack(**settings, stack=system, name="first")
    made = {"data--dev", *LEARNED[method]}
    own = {"data", "asr", "mt", "stack", "metrics", "pools", "rounds"}
    assert {stage.stage for stage in first.stages} == made | own
    trained = {stage.stage: stage for stage in first.stages}["stack-training"].key
    assert {"bleu", "mt_bleu", "wer"} <= first.metrics.keys()
    assert first.metrics["bleu"].n == 10
    assert first.status == "completed"
    named = dict(note.split(" store:") for note in first.notes if "store:" in note)
    assert named == {"stack-training: model": trained[:12]}
    assert ("coefficient of the direct model, learned on data--dev" in first.notes[-1]) == (
        method == "late_fusion"
    )
    again = stack(**settings, stack=system, name="again")
    assert all(stage.reused for stage in again.stages)
    outputs = stacked(method, transcripts=system["transcripts"], model=f"store:{trained}")
    third = stack(**settings, stack=outputs | {"beam_size": 1, "n_best": 1}, name="third")
    reused = {stage.stage for stage in third.stages if stage.reused}
    assert {"data", "asr", "mt"} <= reused
    assert not {"stack", "metrics", "rounds"} & reused
    if method != "late_fusion":
        return
    parts = contribution(run="first", store=settings["store"])
    (result,) = CONTRIBUTION.read(parts.stages[-1]).systems
    assert [one.part for one in result.shares] == ["transcript", "sound"]
    # The text member alone is the cascade that the run has anyway, read off at another weight.
    assert result.shares[0].alone.value == pytest.approx(first.metrics["mt_bleu"].value)
    shares = [one.share.value for one in result.shares if one.share]
    assert sum(shares) == pytest.approx(first.metrics["bleu"].value)
    report = BLAME.read(blame(run="first", store=settings["store"]).stages[-1]).blames[0]
    assert [one.stage for one in report.stages] == ["asr", "mt and stack"]
    assert report.stages[0].gap.value == pytest.approx(0)  # the recognizer hears what is said


def test_blank_sources_are_read_as_nothing(folder: Path, tmp_path: Path) -> None:
    lines = ["ein hund", "hund", "a dog"]
    for blank, left in (
        ((), lines),
        (("draft",), ["ein hund", "hund", ""]),
        (("transcript",), ["", "", "a dog"]),
    ):
        config = StackConfig(method="pre_translation", ablate=blank)
        assert translator._ablate_lines(lines, config) == left
    utterance = spoken_of(folder)
    trained = {
        blank: translator.build_translator(
            StackConfig(
                method="dual_source", model=str(saved(folder, tmp_path / "d")), ablate=blank, beam_size=1
            ),
            str(folder / "text"),
        ).prepare(0, utterance)
        for blank in ((), ("sound",), ("transcript",))
    }
    states = {blank: one.states for blank, one in trained.items() if isinstance(one, StackSource)}
    assert not states["sound",].any()
    assert states[()].any()
    assert states["transcript",].equal(states[()])
    assert trained["transcript",].lines != trained[()].lines == trained["sound",].lines  # type: ignore[union-attr]


def spoken_of(folder: Path) -> Utterance:
    sound = audio.describe(str(folder / "u0.wav"))
    return Utterance(id="u", audio=sound, text="ein hund", source_language="en", target_language="de")


@pytest.mark.usefixtures("server")
def test_what_is_frozen_stays(settings: dict[str, Any], folder: Path) -> None:
    settings["learn"] |= {"freeze": True, "learning_rate": 0.01, "warmup_steps": 1}
    ran = stack(**settings, stack=stacked("dual_source"), name="frozen")
    stages = {stage.stage: stage for stage in ran.stages}
    trained = load_stacked(resolve(f"store:{stages['stack-training'].key}", settings["store"])).model
    start, _ = load_transformers(resolve(str(folder / "text")), "seq2seq")
    for name, weight in start.state_dict().items():
        torch.testing.assert_close(trained.text.state_dict()[name], weight, rtol=0, atol=0)
    assert all(layer.out_proj.weight.abs().sum() > 0 for layer in trained.listening)


@pytest.mark.usefixtures("server")
def test_lists_of_two_vocabularies_are_pooled(settings: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (folder / "spoken.jsonl").read_text("utf-8").splitlines()[:3]]
    into_english = {"source_language": "de", "target_language": "en"}
    rows = [row | {"audio": str(folder / row["audio"])} | into_english for row in rows]
    english = write_rows(tmp_path / "english.jsonl", rows)
    learn = settings["learn"] | {"dev": english}
    reader = shutil.copytree(folder / "text", tmp_path / "text")
    named = json.loads((reader / "tokenizer_config.json").read_text("utf-8"))
    (reader / "tokenizer_config.json").write_text(
        json.dumps(named | {"source_lang": "de", "target_lang": "en"})
    )
    values = settings | {"data": english, "learn": learn, **into_english}
    values["mt"] = settings["mt"] | {"model": str(reader)}
    run = stack(**values, stack=stacked("pooled"))
    learned = {"data--dev", "asr--dev", "mt--dev", "stack-coefficient"}
    own = {"data", "asr", "mt", "stack", "metrics", "pools", "rounds"}
    assert {stage.stage for stage in run.stages} == learned | own
    assert "coefficient of the direct model" in run.notes[-1]
    stages = {stage.stage: stage for stage in run.stages}
    cascade = {o.utterance_id: {h.text for h in o.hypotheses} for o in read_nbests(stages["mt"])}
    for outcome in read_nbests(stages["stack"]):
        assert {"first", "second", "fused"} & outcome.best.features.keys()
        assert outcome.best.system == "mt" or outcome.best.text not in cascade[outcome.utterance_id]
    assert all(stage.reused for stage in stack(**values, stack=stacked("pooled")).stages)


def test_an_engine_that_is_not_installed_is_refused_before_anything_is_read(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only the training's data are to be spoken."""
    row = {"id": "w", "text": "two dogs", "references": ["ein hund"]}
    written = write_rows(tmp_path / "written.jsonl", [row])
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    values = settings | {"learn": settings["learn"] | {"dev": written}, "synthesis": {"engine": "flite"}}
    entry = flow_named("stack")
    parameters = entry.parameters.model_validate(values | {"stack": stacked("dual_source")})
    with pytest.raises(ConfigError, match=r"^speech: .*expected the program flite on PATH, found none; ins"):
        run_checks(entry.checks(parameters))


@pytest.mark.usefixtures("server")
def test_written_data_are_spoken_first(
    settings: dict[str, Any], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engines.ENGINES, "flite", ENGINE)
    rows = [{"id": f"w{n}", "text": "two dogs", "references": ["ein hund"]} for n in range(2)]
    written = write_rows(tmp_path / "written.jsonl", rows)
    model = saved(folder, tmp_path / "dual")
    system = stacked("dual_source", model=str(model))
    run = stack(**settings | {"data": written, "synthesis": {"engine": "flite"}}, stack=system)
    assert [stage.stage for stage in run.stages] == [
        *("data", "speech", "asr", "mt", "stack", "metrics", "pools", "rounds")
    ]
    assert (run.metrics["wer"].value, run.metrics["bleu"].n) == (0, 2)
    audio = sorted((Path(run.stages[1].path) / "audio").glob("*.flac"))
    assert len(audio) == 2
    assert not any(stage.quarantined for stage in run.stages)
