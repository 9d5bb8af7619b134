"""Two words that are spelled alike: the model that hears them learns to tell them apart, the other cannot."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from components.errors import DataError
from components.models.checkpoints import checkpoint_of
from components.records import Utterance
from components.stacking.config import SpeechConfig, SpeechTrainingConfig
from components.stacking.model_folder import load_stacked
from components.stacking.training.learner import SpokenPair, StackLearner
from components.stacking.training.train import (
    SpeechModelSettings,
    SpokenSet,
    _pair_spoken,
    train_speech_model,
)
from components.training.config import TrainingConfig
from components.training.loop.trainer import train
from tests.components.stacking import tiny

TARGETS = ("rot rot rot rot", "blau blau blau blau")


def homographs(n: int) -> tuple[list[SpokenPair], dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    pairs, states = [], {}
    for i in range(n):
        pairs.append(SpokenPair(f"u{i}", ("ein hund",), TARGETS[i % 2]))
        states[f"u{i}"] = torch.randn(4, tiny.WIDTH, generator=generator) + (4.0 if i % 2 else -4.0)
    return pairs, states


def config(**changes: object) -> TrainingConfig:
    values: dict[str, object] = {"max_steps": 160, "eval_every": 80, "eval_sentences": 4}
    values |= {"average_checkpoints": 1}
    values |= {"learning_rate": 5e-3, "warmup_steps": 5, "batch_tokens": 60, "dropout": 0.0}
    values |= {"label_smoothing": 0.0, "device": "cpu", "dtype": "float32"}
    return TrainingConfig.model_validate(values | changes)


@pytest.mark.parametrize("heard", [True, False])
def test_only_the_sound_tells(text_folder: Path, tmp_path: Path, heard: bool) -> None:
    pairs, states = homographs(24)

    def learner(settings: TrainingConfig, out: Path, device: torch.device) -> StackLearner:
        ready = tiny.stacked(text_folder)
        return StackLearner(settings, ready, (pairs[4:], pairs[:4]), states if heard else {}, device)

    state = train(config(), tmp_path, make_learner=learner)
    ready = tiny.stacked(text_folder)
    tokens = sum(len(ready.tokenizer(text_target=text).input_ids) for text in TARGETS) / 2
    loss = state.history[-1]["dev_loss"] * tokens  # per sentence, whose first word is a coin's toss
    assert loss < 0.3 if heard else loss > 0.9 * math.log(2)
    assert (state.best_score > 90) == heard
    ready = load_stacked(checkpoint_of(tmp_path / "model", "trained"))
    assert ready.model.kind == "dual"


def test_a_learner_needs_pairs(text_folder: Path) -> None:
    with pytest.raises(DataError, match="found none"):
        StackLearner(config(), tiny.stacked(text_folder), ([], []), {}, torch.device("cpu"))


def test_sets_without_speech_are_refused(tmp_path: Path) -> None:
    nothing = SpokenSet(iter(()), {}, tmp_path)
    model = SpeechModelSettings("dual", 1, SpeechConfig())
    with pytest.raises(
        DataError, match="expected spoken utterances with references to learn from, found none"
    ):
        train_speech_model(
            tmp_path, SpeechTrainingConfig(), model, (nothing, nothing), None, lambda percent: None
        )


def test_a_direct_model_learns_the_same_without_transcripts(text_folder: Path, tmp_path: Path) -> None:
    """It does not read them: what a cascade teaches it needs sound and translations."""
    learners = []
    for words in ("ein hund", ""):
        pairs, states = homographs(6)
        own = [SpokenPair(pair.id, (words,), pair.target) for pair in pairs]
        torch.manual_seed(1)
        learners.append(
            StackLearner(
                config(), tiny.stacked(text_folder, "direct"), (own[2:], own[:2]), states, torch.device("cpu")
            )
        )
    first, second = (learner.loss(range(4))[0].item() for learner in learners)
    assert first == second


def test_a_set_without_transcripts_has_empty_ones(tmp_path: Path) -> None:
    spoken = Utterance(
        id="u", text="x", references=("rot", "blau"), source_language="en", target_language="de"
    )
    pairs = _pair_spoken(SpokenSet(iter([spoken]), None, tmp_path), 1)
    assert list(pairs) == [SpokenPair("u", ("",), "rot", "de"), SpokenPair("u", ("",), "blau", "de")]


def test_development_bleu_counts_characters_where_there_are_no_spaces(
    text_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [SpokenPair("u", ("ein hund",), "我爱喝茶和咖啡。", "zh")]
    learner = StackLearner(config(), tiny.stacked(text_folder), (pairs, pairs), {}, torch.device("cpu"))
    monkeypatch.setattr(learner.stacked.tokenizer, "decode", lambda *_, **__: "我喜欢喝茶和咖啡。")
    assert learner.dev_score() > 50


def test_dropout_is_that_of_the_settings_everywhere(text_folder: Path) -> None:
    learner = StackLearner(
        config(dropout=0.3), tiny.stacked(text_folder), (homographs(2)[0],) * 2, {}, torch.device("cpu")
    )
    encoder = learner.model.text.model.encoder
    assert learner.model.config.dropout == encoder.dropout == encoder.layers[0].dropout == 0.3
