"""The learner of word-level distillation, and the choice of sequence-level targets."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from components.distillation.distill import Distill, DistillSettings
from components.errors import ConfigError
from components.nodes.node_context import NodeContext
from components.records import Hypothesis, NBest
from components.training.config import TrainingConfig
from components.training.loop.trainer import FINAL, train
from components.training.students.distillation import DistillationConfig, DistillationLearner
from components.training.students.sequence_distillation import TARGET_CHOICES
from tests.components.training.tiny import TINY, write_copies, write_few

WORDS = ["ein", "rot", "blau", "hund", "katze", "baum", "haus", "sieht", "unter", "zwei"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Tiny data and sizes, and two teachers trained for a few steps."""
    folder = tmp_path_factory.mktemp("toy")
    draw = random.Random(0)
    lines = [" ".join(draw.choices(WORDS, k=draw.randint(2, 6))) for _ in range(60)]
    toy = {"data": write_copies(folder, lines), "dev": write_few(folder, lines)}
    size = {"num_layers": 2, "batch_tokens": 100, "dropout": 0.0, "warmup_steps": 2}
    budget = {"max_steps": 6, "eval_every": 3, "eval_sentences": 4, "average_checkpoints": 1}
    values: dict[str, object] = {**TINY, **size, **budget, **toy}
    for seed in (1, 2):
        train(TrainingConfig.model_validate({**values, "seed": seed}), folder / f"teacher{seed}")
    return {**values, "tokenizer": str(folder / "teacher1" / FINAL), "num_layers": 1}


def teachers(settings: dict[str, object]) -> tuple[str, ...]:
    folder = Path(str(settings["tokenizer"])).parents[1]
    return tuple(str(folder / f"teacher{seed}" / FINAL) for seed in (1, 2))


def learner(settings: dict[str, object], out: Path, **changes: object) -> DistillationLearner:
    config = DistillationConfig.model_validate({**settings, **changes})
    result = DistillationLearner(config, out, CPU)
    result.model.eval()
    return result


def test_a_batch_s_loss_is_that_of_its_sentences_one_by_one(
    settings: dict[str, object], tmp_path: Path
) -> None:
    mixed: dict[str, object] = {"teachers": teachers(settings), "teacher_weights": (0.3, 0.7)}
    result = learner(settings, tmp_path, **mixed, kd_ratio=0.4, temperature=2.0)
    rows = [0, 1, 2, 3, 4]
    assert len({result.lengths[i] for i in rows}) > 1  # the batch has padding; single sentences have none
    value, tokens = result.loss(rows)
    singles = [result.loss([i]) for i in rows]
    assert tokens == sum(count for _, count in singles)
    total = sum(loss.item() * count for loss, count in singles)
    assert value.item() == pytest.approx(total / tokens, rel=1e-5)


def test_shares_of_the_two_losses(settings: dict[str, object], tmp_path: Path) -> None:
    inputs: dict[str, object] = {"teachers": teachers(settings)}
    losses = {
        share: learner(settings, tmp_path / str(share), **inputs, kd_ratio=share).loss([0, 1])[0].item()
        for share in (0.0, 0.25, 1.0)
    }
    assert losses[0.25] == pytest.approx(0.75 * losses[0.0] + 0.25 * losses[1.0], rel=1e-5)
    assert losses[0.0] == pytest.approx(learner(settings, tmp_path / "plain").loss([0, 1])[0].item())
    both = learner(settings, tmp_path / "whole", **inputs, kd_ratio=1.0)
    other = learner(settings, tmp_path / "one", teachers=inputs["teachers"], teacher_weights=(1.0, 0.0))
    assert both.loss([0])[0].item() != pytest.approx(other.loss([0])[0].item())


def test_a_student_that_is_its_teacher_has_nothing_to_learn(
    settings: dict[str, object], tmp_path: Path
) -> None:
    first = teachers(settings)[0]
    result = learner(
        settings, tmp_path, num_layers=2, init_layers_from=first, teachers=(first,), kd_ratio=1.0
    )
    loss, _ = result.loss([0, 1, 2])
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert max(p.grad.abs().max().item() for p in result.model.parameters() if p.grad is not None) < 1e-6


def test_training_goes_through_the_loop_and_leaves_the_teachers_alone(
    settings: dict[str, object], tmp_path: Path
) -> None:
    config = DistillationConfig.model_validate({**settings, "teachers": teachers(settings)})
    before = [Path(name, "model.safetensors").read_bytes() for name in teachers(settings)]
    state = train(config, tmp_path / "student", make_learner=DistillationLearner)  # type: ignore[arg-type]
    assert state.history[-1]["dev_loss"] < state.history[0]["dev_loss"]
    assert before == [Path(name, "model.safetensors").read_bytes() for name in teachers(settings)]
    with pytest.raises(ConfigError, match=r"expected a run with temperature 1\.0, found 2\.0"):
        train(
            config.model_copy(update={"temperature": 2.0}),
            tmp_path / "student",
            make_learner=DistillationLearner,
        )  # type: ignore[arg-type]


def test_teachers_of_another_vocabulary_are_refused(settings: dict[str, object], tmp_path: Path) -> None:
    for language in ("en", "de"):
        (tmp_path / f"t.{language}").write_text(
            "quick zebras jump\nvexed wolves sing\n" * 9, encoding="utf-8"
        )
    text = f"{tmp_path}/t.en,{tmp_path}/t.de"
    changes = {"tokenizer": None, "data": text, "dev": text, "max_steps": 1}
    other = TrainingConfig.model_validate({**settings, **changes})
    train(other, tmp_path / "other")
    foreign = str(tmp_path / "other" / FINAL)
    for name, value in (("teachers", (foreign,)), ("init_layers_from", foreign)):
        fault = rf"^{name}: expected .*other.* to have the student's vocabulary of \d+ tokens, found another"
        with pytest.raises(ConfigError, match=fault):
            learner(settings, tmp_path / name, **{name: value})
        config = DistillSettings.model_validate({**settings, name: value})
        with pytest.raises(ConfigError, match=fault):  # before another node computes
            Distill().validate_models(config, NodeContext("student"), frozenset())
        with pytest.raises(ConfigError, match=r"^tokenizer: expected the vocabulary of .*, found none; set"):
            Distill().check(config.model_copy(update={"tokenizer": None}), NodeContext("student"))


def test_weights_are_refused_before_anything_is_read(settings: dict[str, object]) -> None:
    config = {**settings, "teachers": teachers(settings), "teacher_weights": (0.5, 0.6)}
    with pytest.raises(ConfigError, match=r"^teacher_weights: expected 2, one per teacher, of at least 0"):
        Distill().check(DistillSettings.model_validate(config), NodeContext("student"))


def n_best(*texts: str) -> NBest:
    hypotheses = tuple(
        Hypothesis(text=t, score=-1.0 - i, n_tokens=1, system="t") for i, t in enumerate(texts)
    )
    return NBest(utterance_id="a", hypotheses=hypotheses)


def test_targets() -> None:
    output = n_best("eine Katze schläft", "ein Hund läuft im Park", "ein Hund läuft im Garten")
    assert TARGET_CHOICES["best"](output, ("ein Hund läuft im Garten",), "de") == "eine Katze schläft"
    assert (
        TARGET_CHOICES["closest"](output, ("ein Hund läuft im Garten .",), "de") == "ein Hund läuft im Garten"
    )
    assert (
        TARGET_CHOICES["closest"](output, (), "de")
        == TARGET_CHOICES["closest"](output, (" ",), "de")
        == output.best.text
    )
    tied = n_best("x y", "y x")
    assert TARGET_CHOICES["closest"](tied, ("nothing alike here",), "de") == "x y"
