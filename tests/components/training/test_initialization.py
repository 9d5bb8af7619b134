"""The vocabulary of another model, where it has none that can be taken over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError, ModelError
from components.training.config import TrainingConfig
from components.training.examples import vocabulary
from components.training.initialization import load_initial_model, load_or_learn_vocabulary
from components.training.learners.language_model_learner import build_language_model
from components.training.marian_model import build_marian

WORDS = ["ein rot blau hund katze baum haus sieht unter zwei"] * 3
SHAPE = {"vocab_size": 64, "d_model": 16, "ffn_dim": 16, "num_heads": 2, "num_layers": 1}


def save_model(folder: Path, lines: list[str] = WORDS, build: Any = build_marian, **values: Any) -> str:
    """Write a model without dropout."""
    tokenizer = vocabulary.save(vocabulary.train(lines, 48), folder, "en", "de")
    config = TrainingConfig.model_validate({**SHAPE, "dropout": 0.0, **values})
    build(config, len(tokenizer)).save_pretrained(folder)
    return str(folder)


def test_source_and_target_of_unlike_pieces_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    config = TrainingConfig.model_validate({**SHAPE, "tokenizer": save_model(other)})
    pieces, _ = load_or_learn_vocabulary(config, tmp_path / "first", lambda: b"", None)
    assert pieces == (other / "source.spm").read_bytes()
    (other / "target.spm").write_bytes(vocabulary.train([line[::-1] for line in WORDS], 48))
    with pytest.raises(ModelError, match=r"expected a joint sentencepiece vocabulary .*train flow made"):
        load_or_learn_vocabulary(config, tmp_path / "second", lambda: b"", None)


def test_a_vocabulary_whose_ids_are_not_those_of_its_pieces_is_refused(tmp_path: Path) -> None:
    """Published Marian models have such: training on the ids of the pieces would mix up all words."""
    folder = Path(save_model(tmp_path / "other"))
    names = list(json.loads((folder / "vocab.json").read_text()))
    ids = {name: number for number, name in enumerate([*names[:2], *names[-2:1:-1], names[-1]])}
    (folder / "vocab.json").write_text(json.dumps(ids))
    config = TrainingConfig.model_validate({**SHAPE, "init_from": str(folder)})
    with pytest.raises(ModelError, match=r"expected the ids of source.spm in .*vocab.json, found others"):
        load_or_learn_vocabulary(config, tmp_path / "out", lambda: b"", None)


def test_a_model_is_not_trained_on_the_vocabulary_of_another(tmp_path: Path) -> None:
    first = save_model(tmp_path / "first")
    other = save_model(tmp_path / "other", [line[::-1] for line in WORDS])
    config = TrainingConfig.model_validate({**SHAPE, "init_from": first, "tokenizer": other})
    with pytest.raises(ConfigError, match="tokenizer: expected the vocabulary of init_from"):
        load_or_learn_vocabulary(config, tmp_path / "out", lambda: b"", None)
    same = config.model_copy(update={"tokenizer": save_model(tmp_path / "same", seed=2)})
    assert load_or_learn_vocabulary(same, tmp_path / "out", lambda: b"", None)


def test_a_model_that_was_trained_without_dropout_is_trained_on_with_it(tmp_path: Path) -> None:
    base = save_model(tmp_path / "translator")
    model = load_initial_model(TrainingConfig.model_validate({"init_from": base, "dropout": 0.3}), None)
    encoder = model.model.encoder
    dropouts = [part.dropout for part in (model.config, encoder, encoder.layers[0], model.model.decoder)]
    assert dropouts == [0.3] * 4
    assert encoder.layers[0].self_attn.dropout == 0.0
    base = save_model(tmp_path / "language-model", build=build_language_model)
    settings = {"kind": "language_model", "init_from": base, "dropout": 0.3}
    model = load_initial_model(TrainingConfig.model_validate(settings), None)
    assert model.model.layers[0].self_attn.attention_dropout == model.config.attention_dropout == 0.3
