"""The model that ships: loads whole, is small, translates captions, and is as good as its card says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from safetensors import safe_open

import components
from components.training.loop import scoring, validation
from components.training.loop.scoring import load_translation_model

FOLDER = Path(components.__file__).parent / "packaged" / "multi30k-en-de"
SHARED = Path(os.environ.get("ANTIPHON_SHARED", Path(__file__).parents[3] / ".." / "shared"))
MULTI30K = SHARED / "data" / "multi30k"


def test_small_and_half_precision() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 15_000_000
    with safe_open(FOLDER / "model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118


def test_translates_a_caption() -> None:
    model, tokenizer = load_translation_model(FOLDER)  # refuses missing and left-over tensors
    assert validation.translate(model, tokenizer, ["A man is playing guitar."], 5) == [
        "Ein Mann spielt Gitarre."
    ]


@pytest.mark.shared
@pytest.mark.skipif(not MULTI30K.is_dir(), reason="needs ../shared/data/multi30k (or ANTIPHON_SHARED)")
def test_greedy_bleu_on_a_part_of_the_test_set() -> None:
    """The card says 39.2 (beam 5, all 1,000); greedily on 200 sentences it must not be far below."""
    score = scoring.score_translations(
        FOLDER, f"multi30k:{MULTI30K}:test_2016_flickr", ("en", "de"), 1, limit=200
    )["bleu"]
    assert score.n == score.n_total == 200
    assert score.value > 33
