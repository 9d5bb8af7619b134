"""The train flow: from parallel text to a model that the store names, reused and scored."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from components import models
from components.errors import ModelError, StoreError
from components.storage.store import Store
from components.training.config import TrainingConfig
from components.training.kinds.train import LEARNERS
from components.training.learners.translation_learner import TranslationLearner
from components.training.loop.product import MODEL
from flows.preset_flow import train
from tasks.stages.model_scores import read_scores
from tests.components.training.tiny import TINY, draw_lines, write_copies
from tests.limits import files_of_at_most


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    toy = write_copies(tmp_path, draw_lines(60))
    budget = {"max_steps": 4, "eval_every": 2, "eval_sentences": 4, "average_checkpoints": 2, "beam_size": 2}
    return {**TINY, **budget, **dict.fromkeys(("data", "dev", "test"), toy), "store": str(tmp_path / "store")}


@pytest.mark.usefixtures("server")
def test_a_language_model_is_scored_by_its_perplexity(settings: dict[str, object]) -> None:
    run = train(**{**settings, "kind": "language_model"}, name="language")
    assert set(run.metrics) == {"perplexity", "dev_perplexity"}
    checkpoint = models.resolve(f"store:{run.stages[0].key}", settings["store"])
    assert checkpoint.architecture == "LlamaForCausalLM"


@pytest.mark.usefixtures("server")
def test_the_model_is_in_the_store_and_reused(settings: dict[str, object], tmp_path: Path) -> None:
    first = train(**settings, name="first")
    trained, scored = first.stages
    assert (first.status, trained.stage, scored.stage) == ("completed", "training", "scores")
    assert {"bleu", "chrf", "ter", "dev_bleu"} <= first.metrics.keys()
    assert first.metrics == read_scores(scored)
    assert first.metrics["bleu"].n_total == 60
    assert f"training: model store:{trained.key[:12]}" in first.notes

    checkpoint = models.resolve(f"store:{trained.key}", settings["store"])
    assert (checkpoint.architecture, Path(checkpoint.path).name) == ("MarianMTModel", MODEL)
    names = {path.name for path in Path(trained.path).iterdir()}
    assert names == {"stage.json", "metrics.jsonl", "learning-curve.png", "model"}
    rows = (Path(trained.path) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["step"] for row in rows] == [2, 4]

    last = train(**{**settings, "keep_checkpoints": 1}, name="kept").stages[0]
    at_step = models.resolve(f"store:{last.key}@4", settings["store"])
    assert Path(at_step.path).name == "step-4"
    with pytest.raises(ModelError, match=r"a checkpoint that the training kept \(4\), found step 3"):
        models.resolve(f"store:{last.key}@3", settings["store"])

    litter = Path(trained.path) / "work" / "checkpoints"  # as a kill after the seal leaves it
    litter.mkdir(parents=True)
    again = train(**settings, name="again")
    assert not litter.parent.exists()
    assert [stage.reused for stage in again.stages] == [True, True]
    assert [stage.sha256 for stage in again.stages] == [stage.sha256 for stage in first.stages]
    assert Store(str(settings["store"])).load_run("again").metrics == first.metrics


@pytest.mark.usefixtures("server")
def test_a_full_disk_is_one_line_and_the_training_goes_on_afterwards(settings: dict[str, object]) -> None:
    with files_of_at_most(9000), pytest.raises(StoreError) as caught:
        train(**settings, name="full")
    assert re.fullmatch(
        r"no space left to write the training at \S+/stages/\w+ \(.*\); .*", str(caught.value)
    )
    assert train(**settings, name="again").status == "completed"


@pytest.mark.usefixtures("server")
def test_data_that_change_before_they_are_read_are_refused(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(TranslationLearner):
        """Reads data that another program has just written again."""

        def __init__(
            self, config: TrainingConfig, out: Path, device: torch.device, store: str | None = None
        ) -> None:
            source = Path(config.data.split(",", maxsplit=1)[0])
            source.write_text(source.read_text("utf-8").replace("hund", "hunde"), "utf-8")
            super().__init__(config, out, device, store)

    monkeypatch.setitem(LEARNERS, "translation", Late)
    with pytest.raises(StoreError, match="training: expected data and models as planned, found others"):
        train(**settings, name="late")
