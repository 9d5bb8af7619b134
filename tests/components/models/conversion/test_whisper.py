"""What Whisper's own files say of a model: its alignment heads and its dimensions."""

from __future__ import annotations

import pytest
import whisper as openai_whisper
from whisper.model import ModelDimensions, Whisper

from components.errors import ModelError
from components.models.conversion.whisper import infer_dimensions, openai_dimensions, unpack_alignment_heads


@pytest.mark.parametrize(("name", "layers", "heads"), [("tiny.en", 4, 6), ("base", 6, 8)])
def test_alignment_heads_are_those_that_openai_whisper_unpacks(name: str, layers: int, heads: int) -> None:
    dims = ModelDimensions(8, 6, heads, heads, 1, 9, 9, heads, heads, layers)
    dump = openai_whisper._ALIGNMENT_HEADS[name]
    model = Whisper(dims)
    model.set_alignment_heads(dump)
    assert unpack_alignment_heads(dump, dims) == model.alignment_heads.indices().T.tolist()


def test_tensors_of_another_model_are_refused() -> None:
    with pytest.raises(
        ModelError, match=r"found no tensor 'encoder\.conv1\.weight'; give a whole checkpoint"
    ):
        infer_dimensions({})


@pytest.mark.parametrize("value", [None, "64", True, 0, 10**6])
def test_a_dimension_that_is_no_positive_integer_is_named(value: object) -> None:
    with pytest.raises(ModelError, match=r"config\.json: expected num_mel_bins to be a positive integer"):
        openai_dimensions({"num_mel_bins": value}, "config.json")
