"""The vocabulary of another model, where it has none that can be taken over."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ModelError
from components.training import vocabulary
from components.training.config import TrainingConfig
from components.training.initialization import load_or_learn_vocabulary
from components.training.marian_model import build_marian

WORDS = ["ein rot blau hund katze baum haus sieht unter zwei"] * 3


def test_source_and_target_of_unlike_pieces_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    tokenizer = vocabulary.save(vocabulary.train(WORDS, 48), other, "en", "de")
    shape = {"vocab_size": 64, "d_model": 16, "ffn_dim": 16, "num_heads": 2, "num_layers": 1}
    config = TrainingConfig.model_validate({**shape, "tokenizer": str(other)})
    build_marian(config, len(tokenizer)).save_pretrained(other)
    pieces, _ = load_or_learn_vocabulary(config, tmp_path / "first", lambda: b"", None)
    assert pieces == (other / "source.spm").read_bytes()
    (other / "target.spm").write_bytes(vocabulary.train([line[::-1] for line in WORDS], 48))
    with pytest.raises(ModelError, match=r"expected a joint sentencepiece vocabulary .*train flow made"):
        load_or_learn_vocabulary(config, tmp_path / "second", lambda: b"", None)
