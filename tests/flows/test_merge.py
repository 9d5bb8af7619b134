"""The merge flow: a recipe becomes a model of the store that the gate let through, or did not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from components import models
from components.errors import ConfigError, MergeError, StoreError
from components.merging.config import recipe_of
from components.models.weight_digests import resolve_weight_digests
from components.pipeline.planning import plan_nodes
from components.pipeline.reading.reader import read_pipeline
from components.storage.stages.reader import read_best_texts
from components.storage.store import Store
from components.training.config import TrainingConfig
from components.training.examples import vocabulary
from components.training.marian_model import build_marian
from flows.preset_flow import merge
from flows.python_flows.blame import blame
from flows.python_flows.pipeline import pipeline
from reports.page.report_view import view_of
from tests.command import run_command
from tests.components.stacking import tiny
from tests.components.training.tiny import WORDS, write_copies
from tests.limits import files_of_at_most


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny translation models, one near the other, and parallel text."""
    folder = tmp_path_factory.mktemp("toys")
    lines = [f"{a} {b} {c}" for a, b, c in zip(WORDS, WORDS[3:] + WORDS, WORDS[5:] + WORDS, strict=False)]
    write_copies(folder, lines)
    tokenizer = vocabulary.save(vocabulary.train(lines, 40), folder / "spm", "en", "de")
    config = TrainingConfig(num_layers=1, d_model=16, ffn_dim=16, num_heads=2)
    model = build_marian(config, len(tokenizer))
    for name in ("a", "b"):
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=1e-3)
    return folder


def values(toys: Path, tmp_path: Path, **changes: object) -> dict[str, object]:
    text = f"merge_method: linear\nmodels:\n  - {{model: {toys}/a}}\n  - {{model: {toys}/b}}\n"
    data = f"{toys}/toy.en,{toys}/toy.de"
    decoding = {"beam_size": 1, "n_best": 1, "max_tokens": 8, "device": "cpu"}
    result = {"recipe": text + "parameters: {weight: 0.5}\n", "dev": data, "store": str(tmp_path / "store")}
    return {**result, "mt": decoding, **changes}


@pytest.mark.usefixtures("server")
def test_an_accepted_model_is_in_the_store(toys: Path, tmp_path: Path) -> None:
    settings = values(toys, tmp_path, test=f"{toys}/toy.en,{toys}/toy.de", margin=100)
    run = merge(**settings, name="first")
    assert [stage.stage for stage in run.stages] == [
        "data",
        "merge",
        "baseline",
        "mt",
        "gate",
        "test",
        "mt-test",
        "metrics",
    ]
    assert run.pipeline.outputs == {"translation": "mt"}
    assert {"dev_bleu", "bleu"} <= run.metrics.keys()
    assert any(note.startswith("accepted: bleu") for note in run.notes)
    key = run.stages[1].key
    assert f"merge: model store:{key[:12]}" in run.notes
    checkpoint = models.resolve(f"store:{key}", str(tmp_path / "store"))
    assert checkpoint.architecture == "MarianMTModel"
    made_by = {row.stage: list(row.models) for row in view_of(run, Store(str(tmp_path / "store"))).stages()}
    assert (made_by["merge"], made_by["mt"]) == ([f"{toys}/a", f"{toys}/b"], ["node:merge"])
    again = merge(**settings, name="again")
    assert all(stage.reused for stage in again.stages)
    assert Store(str(tmp_path / "store")).load_run("again").metrics == run.metrics

    chained = settings["recipe"].replace(f"{toys}/b", f"store:{key}")  # type: ignore[attr-defined]
    other = merge(**{**settings, "recipe": chained, "dev": None, "test": None}, name="chained")
    assert [stage.stage for stage in other.stages] == ["merge"]
    assert other.stages[0].key != key
    with pytest.raises(ConfigError, match=r"^run chained: expected a run over a data set, found none"):
        blame(run="chained", store=settings["store"])


@pytest.mark.usefixtures("server")
def test_a_greedy_soup_says_what_was_tried_and_kept(
    toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soup = {"recipe": "", "method": "greedy_soup", "models": [f"{toys}/a", f"{toys}/b"], "metric": "chrf"}
    settings = values(toys, tmp_path, source_language="en", target_language="de", **soup)
    run = merge(**settings, name="soup")
    (note,) = [note for note in run.notes if note.startswith("merge: Greedy soup: ")]
    assert "of 2 models, by greedy search on the first" in note
    assert any(note.startswith("accepted: chrf") for note in run.notes)
    ended = run_command(capsys, "inspect", "soup", "--node", "merge", "--store", str(tmp_path / "store"))
    assert ended.code == 0
    printed = ended.out
    assert f"{toys}/a" in printed.replace("\n", "")
    assert "chrf of the" in printed  # "mean with it" stands below


@pytest.mark.usefixtures("server")
def test_nodes_make_models_that_others_use(toys: Path, tmp_path: Path) -> None:
    data, dense = f"{toys}/toy.en,{toys}/toy.de", [{"model": f"{toys}/a"}, {"model": f"{toys}/b"}]
    recipe = {"merge_method": "linear", "models": dense, "parameters": {"weight": 0.5}}
    search = {"kind": "translate", "of": "data", "beam_size": 1, "n_best": 1, "max_tokens": 8}
    nodes = {
        "soup": {"kind": "merge", "recipe": recipe},
        "twice": {"kind": "merge", "recipe": {**recipe, "models": [*dense, {"model": "node:soup"}]}},
        "sparse": {"kind": "upcycle", "models": ["node:soup"], "num_experts": 3},
        "pruned": {"kind": "prune", "model": "node:soup", "pattern": "2:4", "dev": data}
        | {"source_language": "en", "target_language": "de"},
        "de": {**search, "model": "node:soup"},
        "experts": {**search, "model": "node:sparse"},
        "again": {**search, "model": "node:twice"},
        "thin": {**search, "model": "node:pruned"},
    }
    settings = {"graph": {"nodes": nodes}, "data": data, "store": str(tmp_path)}
    run = pipeline(**settings, name="graph")
    stages = {ref.stage: ref for ref in run.stages}
    assert {node.name: node.status for node in run.pipeline.nodes} == dict.fromkeys(nodes, "computed")
    # Copies of one dense model compute what it does, whatever the router says.
    assert read_best_texts(stages["experts"]) == read_best_texts(stages["de"])
    assert models.resolve(f"store:{stages['twice'].key}", str(tmp_path)).architecture == "MarianMTModel"
    loss, layers = json.loads((Path(stages["pruned"].path) / "tables.json").read_text())["tables"]
    assert loss["rows"] and {row["kept"] for row in layers["rows"]} == {"50.0%"}
    planned = plan_nodes(
        read_pipeline(settings["graph"]), {"data": stages["data"]}, str(tmp_path), 0, resolve_weight_digests
    )
    assert {name: one.stage.key for name, one in planned.items()} == {n: stages[n].key for n in nodes}

    search["beam_size"] = 2
    other = pipeline(**{**settings, "graph": {"nodes": {**nodes, "de": {**search, "model": "node:soup"}}}})
    statuses = {node.name: node.status for node in other.pipeline.nodes}
    assert statuses == {**dict.fromkeys(nodes, "reused"), "de": "computed"}


@pytest.mark.usefixtures("server")
def test_a_worse_model_is_rejected_before_the_test_data(
    toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.records import Hypothesis, NBest, Outcome, Utterance
    from components.translation import factory as translation

    class Parrot:
        """Says the reference if it is the baseline, else nothing right."""

        version = 1

        def __init__(self, model: str) -> None:
            self.model = model

        def translate(self, utterances: list[Utterance], segments: object = ()) -> list[Outcome]:
            texts = [(u.id, u.references[0] if "store:" not in self.model else "falsch") for u in utterances]
            return [
                NBest(
                    utterance_id=i,
                    hypotheses=(Hypothesis(text=t, score=-1.0, n_tokens=1, system=self.model),),
                )
                for i, t in texts
            ]

    monkeypatch.setattr(translation, "build", lambda config, store=None, seed=0: Parrot(config.model))
    settings = values(toys, tmp_path, test=f"{toys}/toy.en,{toys}/toy.de", metric="chrf")
    state = merge(**settings, name="worse", return_state=True)
    run = state.result()
    assert state.name == "Rejected", run.notes
    assert "bleu" not in run.metrics and run.metrics["dev_chrf"].value < 50
    assert any(note.startswith("rejected: chrf") for note in run.notes)


@pytest.mark.usefixtures("server")
def test_a_full_disk_is_one_line(toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = values(toys, tmp_path, dev=None)
    with (
        files_of_at_most(9000),
        pytest.raises(StoreError, match=r"^no space left to write the merged model at"),
    ):
        merge(**settings, name="full")
    (tmp_path / "recipe.yml").write_text(str(settings["recipe"]))
    with files_of_at_most(9000):
        ended = run_command(capsys, "merge", str(tmp_path / "recipe.yml"), str(tmp_path / "out"))
    assert ended.code == 1
    assert f"antiphon: no space left to write the merged model at {tmp_path} (" in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("server")
def test_the_doctor_comes_first(toys: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(toys / "a", tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "encoder_attention_heads": 4}))
    text = f"merge_method: linear\nmodels: [{{model: {toys}/a}}, {{model: {tmp_path}/other}}]\n"
    with pytest.raises(MergeError, match="encoder_attention_heads 2 and 4"):
        merge(**values(toys, tmp_path, recipe=text), name="refused")


@pytest.mark.usefixtures("server")
def test_speech_models_need_development_data_that_are_spoken(toys: Path, tmp_path: Path) -> None:
    whisper = tiny.whisper(tmp_path / "whisper")
    text = f"merge_method: linear\nmodels: [{{model: {whisper}}}, {{model: {whisper}}}]\n"
    settings = values(toys, tmp_path, recipe=text + "parameters: {weight: 0.5}\n")
    with pytest.raises(ConfigError, match=r"asr: expected speech in the data, .* found written texts only"):
        merge(**settings, name="unheard")


def test_recipes_are_files_or_text(tmp_path: Path) -> None:
    text = "merge_method: linear\nmodels: [{model: a}]\n"
    (tmp_path / "r.yml").write_text(text)
    assert recipe_of(text).models == recipe_of(str(tmp_path / "r.yml")).models == ("a",)


def test_the_command_examines_or_writes_a_model(
    toys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = tmp_path / "recipe.yml", tmp_path / "out"
    recipe.write_text(str(values(toys, tmp_path)["recipe"]))

    def call(*arguments: str) -> tuple[int, list[str], str]:
        ended = run_command(capsys, "merge", str(recipe), *arguments)
        return ended.code, ended.out.splitlines(), ended.err

    expected = "antiphon: merge: expected OUT, the new model's folder (or --check to examine only)\n"
    assert call() == (2, [], expected)
    code, lines, _ = call("--check")
    assert (code, lines) == (0, [f"{recipe}: linear of 2 models can be merged"])
    models_of_ties = f"base_model: {toys}/a\nmodels: [{{model: {toys}/b}}]\n"
    recipe.write_text(f"merge_method: ties\n{models_of_ties}parameters: {{weight: 1}}\n")
    assert call("--check")[1] == [f"{recipe}: ties of 1 model and its base can be merged"]
    code, (line,), _ = call(str(out))
    model = models.resolve(str(out))
    assert (code, line) == (0, f"{out}  MarianMTModel  sha256 {model.sha256}")
    assert call(str(out)) == (
        2,
        [],
        f"antiphon: {out}: expected a new folder, found one with files; give another name\n",
    )
    recipe.write_text(f"merge_method: ties\n{models_of_ties}")
    code, _, error = call("--check")
    assert (code, error.count("expected parameter weight")) == (2, 1)
    assert f"antiphon: {recipe}:3: models: expected parameter weight (" in error
