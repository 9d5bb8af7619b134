"""The loop learns, stops, resumes to the bit, and says what went wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from transformers import MarianMTModel, MarianTokenizer

from components.errors import ConfigError, ModelError
from components.training.config import TrainingConfig
from components.training.examples import bagging
from components.training.examples import parallel_data as training_pairs
from components.training.loop import checkpoint, train_step, trainer, validation
from components.training.loop.scoring import load_translation_model
from components.training.loop.trainer import train
from tests.components.training.tiny import TINY, draw_lines, write_copies, write_few
from tests.components.training.toy_learner import ToyLearner, toy_settings

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copying")


@pytest.fixture(scope="module")
def copying(folder: Path) -> TrainingConfig:
    """A tiny model and a task that it can learn by heart: copy five words."""
    lines = draw_lines(120)
    data, dev = write_copies(folder, lines, "train"), write_few(folder, lines)
    size = {"d_model": 32, "ffn_dim": 64, "dropout": 0.1, "warmup_steps": 10, "learning_rate": 5e-3}
    budget = {"max_steps": 12, "eval_every": 4, "eval_sentences": 10, "average_checkpoints": 2}
    return TrainingConfig.model_validate({**TINY, **size, **budget, "data": data, "dev": dev})


@pytest.fixture(scope="module")
def whole(copying: TrainingConfig, folder: Path) -> Path:
    """The folder of such a training."""
    train(copying, folder / "whole")
    return folder / "whole"


@pytest.fixture
def toy() -> TrainingConfig:
    """A training whose learner is made in a moment, for what the loop does."""
    return toy_settings(max_steps=12, eval_every=4, average_checkpoints=2)


fit = partial(train, make_learner=ToyLearner)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def assert_same_weights(folder: Path, other: Path) -> None:
    """A model has some more tensors than a checkpoint: ``folder``'s are compared."""
    first, second = weights(folder), weights(other)
    assert first.keys() <= second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first), folder


def test_learns_to_copy_and_translates_the_same_in_half_precision(
    copying: TrainingConfig, folder: Path, tmp_path: Path
) -> None:
    budget = {"max_steps": 240, "eval_every": 120, "learning_rate": 1e-2}
    config = copying.model_copy(update={**budget, "dropout": 0.0, "d_model": 64})
    state = train(config, tmp_path / "out")
    assert state.best_score > 90
    assert state.history[-1]["dev_loss"] < 0.5  # a uniform guess would be log(64) = 4.2
    model, tokenizer = load_translation_model(tmp_path / "out" / "model")
    sentences = (folder / "dev.en").read_text(encoding="utf-8").splitlines()
    translations = validation.translate(model, tokenizer, [*sentences, ""], 2)
    assert translations[0] == sentences[0]
    assert model.config.architectures == ["MarianMTModel"]
    assert model.generation_config.decoder_start_token_id == len(tokenizer) - 1
    model.half().save_pretrained(tmp_path / "small")
    tokenizer.save_pretrained(tmp_path / "small")
    assert {t.dtype for t in weights(tmp_path / "small").values()} == {torch.float16}
    half = load_translation_model(tmp_path / "small")
    assert validation.translate(*half, [*sentences, ""], 2) == translations
    assert isinstance(half[0], MarianMTModel)
    assert isinstance(half[1], MarianTokenizer)
    half[0].final_logits_bias[:, 0] = -1000.0  # never ends
    assert len(validation.translate(*half, [" ".join(sentences * 50)])) == 1


def test_texts_without_spaces_are_compared_by_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "translate", lambda *_, **__: ["我喜欢喝茶和咖啡。"])
    tokenizer = SimpleNamespace(target_lang="zh")
    assert validation.dev_bleu(None, tokenizer, [("I love tea.", "我爱喝茶和咖啡。")]) > 50
    assert TrainingConfig(target_language="zh").version_prefix == "bleu/zh/"
    assert not TrainingConfig().version_prefix


def test_a_bag_is_learned_instead_of_the_data(copying: TrainingConfig) -> None:
    pairs, _ = training_pairs.read_pairs(copying.data, ("en", "de"))
    sample = bagging.resample_items(range(len(pairs)), copying.seed, 2)
    bagged = copying.model_copy(update={"bag": 2})
    assert training_pairs.training_pairs(bagged, ("en", "de")) == [pairs[position] for position in sample]


def test_interrupted_and_resumed_equals_uninterrupted(
    copying: TrainingConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_resumes(train, copying, whole, tmp_path / "cut", monkeypatch)


def test_also_in_bfloat16(toy: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = toy.model_copy(update={"dtype": "bfloat16"})
    fit(config, tmp_path / "whole")
    assert_resumes(fit, config, tmp_path / "whole", tmp_path / "cut", monkeypatch)


def assert_resumes(
    learn: Callable[[TrainingConfig, Path], trainer.TrainingState],
    config: TrainingConfig,
    whole: Path,
    cut: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uninterrupted, update = learn(config, whole), trainer.Trainer.update

    def power_cut(run: trainer.Trainer, rows: list[int]) -> None:
        update(run, rows)
        if run.state.step == 7:  # three steps after a checkpoint, in the middle of an epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "update", power_cut)
        with pytest.raises(KeyboardInterrupt):
            learn(config, cut)
    assert [path.name for path in checkpoint.list_checkpoints(cut / "checkpoints")] == ["step-00000004"]
    torch.manual_seed(12345)  # what the process did meanwhile does not matter
    resumed = learn(config, cut)

    for name in ("step", "epoch", "position"):
        assert getattr(resumed, name) == getattr(uninterrupted, name)
    for folder in ("model", "checkpoints/step-00000012"):
        assert_same_weights(whole / folder, cut / folder)
        assert_same_weights(cut / folder, whole / folder)
    timeless = [[{**row, "minutes": 0} for row in state.history] for state in (uninterrupted, resumed)]
    assert timeless[0] == timeless[1]
    steps = [json.loads(line)["step"] for line in (cut / "metrics.jsonl").read_text().splitlines()]
    assert steps == [4, 8, 12]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingConfig, Path]:
    """A short training; its last evaluation comes after its other two checkpoints."""
    config, folder = (
        toy_settings(max_steps=6, eval_every=2, average_checkpoints=2),
        tmp_path_factory.mktemp("toy"),
    )
    fit(config, folder / "whole")
    return config, folder / "whole"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)


DAMAGES = {"flip": flip, "empty": lambda path: path.write_bytes(b""), "delete": Path.unlink}
CHECKPOINT = ("model.safetensors", "optimiser.safetensors", "state.json", "manifest.json")


def damaged_equals(
    whole: tuple[TrainingConfig, Path],
    damaged: Path,
    damage: Callable[[Path], None],
    again: Callable[[TrainingConfig, Path], object] = fit,
) -> None:
    """Assert that a training goes on from a damaged file of its folder and ends with the same bits."""
    config, folder = whole
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / "model")
    damage(copy / damaged)
    again(config, copy)
    for path in (folder / "model").iterdir():
        assert (copy / "model" / path.name).read_bytes() == path.read_bytes(), path.name
    for path in checkpoint.list_checkpoints(folder / "checkpoints"):
        assert_same_weights(path, copy / "checkpoints" / path.name)
    shutil.rmtree(copy)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_goes_on(
    trained: tuple[TrainingConfig, Path], caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    for name in CHECKPOINT:
        caplog.clear()
        damaged_equals(trained, Path("checkpoints/step-00000006") / name, DAMAGES[kind])
        assert "step-00000006 is damaged: training goes on from the one before it" in caplog.text


def test_a_checkpoint_that_the_end_needs_is_made_again(trained: tuple[TrainingConfig, Path]) -> None:
    for name, damage in (("model.safetensors", flip), ("", shutil.rmtree)):
        damaged_equals(trained, Path("checkpoints/step-00000004") / name, damage)
    damaged_equals(trained, Path("checkpoints"), shutil.rmtree)


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_settings_are_made_again(trained: tuple[TrainingConfig, Path], kind: str) -> None:
    damaged_equals(trained, Path("settings.json"), DAMAGES[kind])


def test_a_damaged_tokenizer_is_made_again(copying: TrainingConfig, tmp_path: Path) -> None:
    short = {"max_steps": 2, "eval_every": 2, "eval_sentences": 2}
    config, whole = copying.model_copy(update=short), tmp_path / "whole"
    train(config, whole)
    damaged_equals((config, whole), Path("tokenizer/source.spm"), flip, train)


def test_nothing_is_renamed_before_it_is_durable(
    toy: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[tuple[int, int]] = set()
    fsync, rename = os.fsync, Path.rename

    def noting(descriptor: int) -> None:
        synced.add((os.fstat(descriptor).st_dev, os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def checking(path: Path, target: Path) -> Path:
        for item in (path, *path.iterdir()):
            assert (item.stat().st_dev, item.stat().st_ino) in synced, item
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(Path, "rename", checking)
    fit(toy.model_copy(update={"max_steps": 1}), tmp_path / "out")
    folder = (tmp_path / "out" / "checkpoints").stat()
    assert (folder.st_dev, folder.st_ino) in synced


def test_a_finished_run_is_not_trained_further(toy: TrainingConfig, tmp_path: Path) -> None:
    fit(toy, tmp_path / "out")
    before = (tmp_path / "out" / "model" / "model.safetensors").read_bytes()
    assert fit(toy, tmp_path / "out").step == 12
    assert (tmp_path / "out" / "model" / "model.safetensors").read_bytes() == before


def test_a_larger_budget_goes_on_where_the_smaller_ended(toy: TrainingConfig, tmp_path: Path) -> None:
    fit(toy.model_copy(update={"max_steps": 8}), tmp_path / "grown")
    fit(toy, tmp_path / "grown")
    fit(toy, tmp_path / "whole")
    assert_same_weights(tmp_path / "grown" / "model", tmp_path / "whole" / "model")


def test_stops_when_dev_bleu_stops_rising(
    toy: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([10.0, 30.0, 20.0, 30.0, 29.0, 50.0])
    monkeypatch.setattr(trainer.Trainer, "_score", lambda run: next(scores))
    config = toy.model_copy(update={"max_steps": 100, "eval_every": 1, "patience": 3})
    state = fit(config, tmp_path / "out")
    assert (state.step, state.best_step, state.best_score) == (5, 2, 30.0)


def test_the_best_checkpoint_is_the_model_when_the_average_is_worse(
    toy: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([10.0, 30.0, 20.0, 5.0])
    monkeypatch.setattr(trainer.Trainer, "_score", lambda run: next(scores))
    fit(toy, tmp_path / "out")
    assert_same_weights(tmp_path / "out" / "checkpoints" / "step-00000008", tmp_path / "out" / "model")


def test_the_best_checkpoint_is_kept_however_old(
    toy: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([10.0, 30.0, 20.0, 20.0, 20.0, 5.0])
    monkeypatch.setattr(trainer.Trainer, "_score", lambda run: next(scores))
    fit(toy.model_copy(update={"max_steps": 5, "eval_every": 1}), tmp_path / "out")
    there = [int(path.name[5:]) for path in checkpoint.list_checkpoints(tmp_path / "out" / "checkpoints")]
    assert there == [2, 4, 5]
    assert_same_weights(tmp_path / "out" / "checkpoints" / "step-00000002", tmp_path / "out" / "model")


def test_minutes_are_a_budget(toy: TrainingConfig, tmp_path: Path) -> None:
    assert fit(toy.model_copy(update={"max_minutes": 1e-9}), tmp_path / "out").step == 1


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_loss_that_is_not_finite_is_one_error(
    toy: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Losses that are read together are those of every step."""
    one_by_one = fit(toy, tmp_path / "out").history
    monkeypatch.setitem(train_step.READ_EVERY, "cpu", at_once)  # 4 steps to an evaluation
    together = fit(toy, tmp_path / "together").history
    assert [row["train_loss"] for row in together] == [row["train_loss"] for row in one_by_one]
    losses = iter([1.0, float("nan"), 1.0])

    def loss(*_: object) -> tuple[torch.Tensor, int]:
        return torch.tensor(next(losses), requires_grad=True), 1

    monkeypatch.setattr(ToyLearner, "loss", loss)
    with pytest.raises(
        ModelError, match=r"training step 2: expected a finite loss, found nan.*learning_rate"
    ) as caught:
        fit(toy, tmp_path / "broken")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "broken" / "checkpoints").glob("*"))


def test_another_configuration_in_the_same_folder_is_refused(toy: TrainingConfig, tmp_path: Path) -> None:
    fit(toy.model_copy(update={"max_steps": 1}), tmp_path / "out")
    for name, match in (("seed", "a run with seed 1, found 2"), ("bag", "a run with bag None, found 2")):
        with pytest.raises(ConfigError, match=match):
            fit(toy.model_copy(update={name: 2}), tmp_path / "out")


def test_heads_must_divide_the_width(copying: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="divisor of d_model 32, found 3"):
        train(copying.model_copy(update={"num_heads": 3}), tmp_path / "out")


def test_average_is_the_mean(whole: Path) -> None:
    paths = checkpoint.list_checkpoints(whole / "checkpoints")[-2:]  # beside the best
    first, second = (weights(path) for path in paths)
    for name, mean in checkpoint.average_weights(paths).items():
        torch.testing.assert_close(mean, (first[name] + second[name]) / 2)


def test_a_model_does_not_say_where_its_data_lay(whole: Path) -> None:
    domain = json.loads((whole / "model" / "domain.json").read_text())
    assert domain["description"] == "text like that of train.en,train.de"


def test_checkpoints_are_kept_as_models(toy: TrainingConfig, tmp_path: Path) -> None:
    fit(toy.model_copy(update={"keep_checkpoints": 2}), tmp_path)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["step-12", "step-8"]
    assert_same_weights(tmp_path / "checkpoints" / "step-00000008", tmp_path / "kept" / "step-8")


def test_starts_from_another_model_with_its_vocabulary(
    copying: TrainingConfig, whole: Path, tmp_path: Path
) -> None:
    start = str(whole / "model")
    once = {"max_steps": 1, "average_checkpoints": 1}
    still = copying.model_copy(update={**once, "init_from": start, "learning_rate": 1e-12, "d_model": 16})
    train(still, tmp_path / "second")
    item, other = weights(whole / "model"), weights(tmp_path / "second" / "model")
    assert item.keys() == other.keys()  # the shape of the model that it started from
    assert all(torch.allclose(item[name], other[name], atol=1e-6) for name in item)
    train(copying.model_copy(update={**once, "tokenizer": start, "vocab_size": 100}), tmp_path / "third")
    pieces = [(folder / "model" / "source.spm").read_bytes() for folder in (whole, tmp_path / "third")]
    assert pieces[0] == pieces[1]
