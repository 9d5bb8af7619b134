"""The learner of one model for several languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from components.experts.config import ExpertsConfig
from components.experts.multilingual_learner import MultilingualLearner

SENTENCES = ["ein roter hund", "zwei blaue katzen", "ein haus unter dem baum"]


@pytest.mark.parametrize("languages", ["de", "de,fr"])
def test_development_sentences_have_one_tag_as_those_of_the_training(tmp_path: Path, languages: str) -> None:
    for language in ("en", "de", "fr"):
        (tmp_path / f"toy.{language}").write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
    toy = f"multi30k:{tmp_path}:toy"
    small = {"vocab_size": 64, "num_layers": 1, "d_model": 16, "ffn_dim": 8, "num_heads": 2, "num_experts": 2}
    config = ExpertsConfig.model_validate({**small, "target_language": languages, "data": toy, "dev": toy})
    learner = MultilingualLearner(config, tmp_path, torch.device("cpu"))
    read: list[tuple[int, ...]] = []
    generate = learner.model.generate

    def reading(**inputs: Any) -> Any:
        mask = inputs["attention_mask"].bool()
        read.extend(tuple(row[own].tolist()) for row, own in zip(inputs["input_ids"], mask, strict=True))
        return generate(**inputs)

    learner.model.generate = reading
    learner.dev_score()
    assert sorted(read) == sorted(example.source for example in learner.examples)
