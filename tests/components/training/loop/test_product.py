"""A training as a stage's files: stopped and gone on with, it leaves what one that was not stopped does."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.files.digests import file_digest
from components.storage.stages.whole_stage import WORK
from components.training.config import TrainingConfig
from components.training.learners.translation_learner import TranslationLearner
from components.training.loop.product import METRICS, _percent_done, make_model
from tests.components.training.tiny import TINY, draw_lines, write_copies, write_few


@pytest.fixture
def small(tmp_path: Path) -> TrainingConfig:
    lines = draw_lines(40)
    toy = {"data": write_copies(tmp_path, lines), "dev": write_few(tmp_path, lines)}
    budget = {"max_steps": 4, "eval_every": 2, "eval_sentences": 2, "average_checkpoints": 2}
    return TrainingConfig.model_validate({**TINY, **budget, "keep_checkpoints": 1, **toy})


def test_what_is_stopped_goes_on_from_its_checkpoint(
    small: TrainingConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "antiphon.training")
    spent: list[list[float]] = []

    def models(folder: Path, *, stop: bool = False) -> dict[str, str]:
        folder.mkdir(exist_ok=True)
        seen: list[float] = []

        def progress(percent: float) -> None:
            seen.append(percent)
            if stop:
                raise InterruptedError

        product = make_model(small, folder, TranslationLearner, "bleu", progress, "one")
        spent.append(seen)
        assert METRICS in product.files
        assert product.items == 2
        weights = [name for name in product.files if name.endswith(".safetensors")]
        return {name: file_digest(folder / name) for name in weights}

    with pytest.raises(InterruptedError):
        models(tmp_path / "stopped", stop=True)
    assert (tmp_path / "stopped" / WORK / "checkpoints").is_dir()
    result = models(tmp_path / "stopped")
    assert result == models(tmp_path / "whole")
    assert spent == [[100.0], [50.0, 100.0]]
    assert all(line.startswith("one: step ") for line in caplog.messages if " epoch " in line)
    assert {Path(name).parts[0] for name in result} == {"model", "checkpoints"}


@pytest.mark.parametrize(
    ("step", "minutes", "budget", "expected"),
    [(3, 9.0, None, 75.0), (1, 9.0, 10.0, 90.0), (3, 1.0, 10.0, 75.0), (2, 11.0, 10.0, 100.0)],
)
def test_the_budget_that_ends_first_counts(
    small: TrainingConfig, step: int, minutes: float, budget: float | None, expected: float
) -> None:
    config = small.model_copy(update={"max_minutes": budget})
    assert _percent_done(config, {"step": step, "minutes": minutes}) == pytest.approx(expected)
