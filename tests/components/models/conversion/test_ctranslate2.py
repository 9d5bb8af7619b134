"""The CTranslate2 reader against a binary that this test writes itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from whisper.model import Whisper

from components.errors import ModelError
from components.models.checkpoints import checkpoint_of
from components.models.conversion.ctranslate2 import whisper_tensors
from components.models.conversion.ctranslate2_format import read_binary
from components.models.conversion.packaged import convert_ctranslate2
from components.models.loaders.loading import load_transformers
from components.models.loaders.whisper_loading import load_whisper
from tests.components.models.whisper_binary import ALIASES, DIMS, binary, ct2_variables, tiny_whisper


@pytest.fixture(scope="module")
def model() -> Whisper:
    return tiny_whisper()


@pytest.fixture(scope="module")
def folder(model: Whisper, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, target = tmp_path_factory.mktemp("ct2"), tmp_path_factory.mktemp("model")
    (source / "model.bin").write_bytes(binary(ct2_variables(model), ALIASES))
    (source / "config.json").write_text(json.dumps({"alignment_heads": [[1, 0]]}))
    convert_ctranslate2(source, target)
    return target


def test_converted_model_computes_the_same_in_both_libraries(model: Whisper, folder: Path) -> None:
    checkpoint = checkpoint_of(folder, "test")
    ours = load_whisper(checkpoint)
    theirs, processor = load_transformers(checkpoint, "speech")
    mel, tokens = torch.randn(2, 8, 12), torch.tensor([[50257, 5, 9], [50257, 1, 2]])
    with torch.no_grad():
        expected = model(mel, tokens)
        assert torch.equal(ours(mel, tokens), expected)
        torch.testing.assert_close(theirs(input_features=mel, decoder_input_ids=tokens).logits, expected)
    assert ours.alignment_heads.to_dense().tolist() == [[False], [True]]
    assert len(processor.tokenizer) == DIMS.n_vocab


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
@pytest.mark.parametrize(
    ("layer", "tensor"),
    [
        ("encoder/layer_0/ffn/linear_0", "encoder.blocks.0.mlp.0"),
        ("encoder/conv1", "encoder.conv1"),
        ("decoder/embeddings", "decoder.token_embedding"),
    ],
)
def test_quantized_weights_are_scaled_back(
    layer: str, tensor: str, dtype: type, model: Whisper, tmp_path: Path
) -> None:
    """As the library's converter quantizes: rows of int8, also of convolutions; int16 as a whole."""
    variables = ct2_variables(model)
    weight = variables[f"{layer}/weight"].astype(np.float32)
    rows = np.abs(weight).reshape(len(weight), -1).max(axis=1)
    scale = (127 / rows if dtype == np.int8 else np.array(2**10 / rows.max())).astype(np.float32)
    by_row = scale.reshape(-1, *[1] * (weight.ndim - 1)) if scale.ndim else scale
    variables |= {f"{layer}/weight": np.rint(weight * by_row).astype(dtype), f"{layer}/weight_scale": scale}
    (tmp_path / "model.bin").write_bytes(binary(variables, ALIASES))
    scaled = whisper_tensors(tmp_path / "model.bin")[0][f"{tensor}.weight"].numpy()
    assert np.abs(scaled - weight).max() <= (0.5 / scale).max() * 1.01


SMALL = binary({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(4, np.int16)}, {"b": "a"})


def test_small_binary_reads_back(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(SMALL)
    contents = read_binary(tmp_path / "m")
    assert (contents.version, contents.specification, contents.revision) == (6, "WhisperSpec", 3)
    assert contents.variables["b"].tolist() == [[0, 1, 2], [3, 4, 5]] and int(contents.variables["n"]) == 4


@pytest.mark.parametrize("length", range(len(SMALL)))
def test_every_truncation_is_one_clear_error(length: int, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(SMALL[:length])
    with pytest.raises(ModelError, match="CTranslate2 model"):
        read_binary(tmp_path / "m")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(SMALL) - 1), st.integers(1, 255))
def test_a_changed_byte_never_crashes(tmp_path: Path, position: int, change: int) -> None:
    data = bytearray(SMALL)
    data[position] ^= change
    (tmp_path / "m").write_bytes(data)
    try:
        read_binary(tmp_path / "m")
    except ModelError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("data", [b"", b"not a model at all", bytes(1000), SMALL + b"x"])
def test_garbage_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(ModelError):
        read_binary(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder/layer_0/ffn/linear_1/bias": None}, "encoder/layer_0/ffn/linear_1/bias, found none"),
        ({"surprise/weight": np.ones(2, np.float32)}, "surprise/weight"),
        ({"decoder/activation": np.array(1, np.int8)}, "activation = 3, found 1"),
        ({"encoder/layer_0/self_attention/linear_0/bias": np.ones(192, np.float16)}, "zero key bias"),
        ({"encoder/layer_0/self_attention/linear_0/bias": np.zeros(9, np.float16)}, "to hold 3 equal parts"),
    ],
)
def test_what_is_not_whisper_is_refused(
    model: Whisper, change: dict[str, np.ndarray | None], message: str, tmp_path: Path
) -> None:
    variables = {n: a for n, a in {**ct2_variables(model), **change}.items() if a is not None}
    (tmp_path / "model.bin").write_bytes(binary(variables, ALIASES))
    with pytest.raises(ModelError, match=message):
        whisper_tensors(tmp_path / "model.bin")


def test_an_output_layer_of_its_own_is_not_whispers(model: Whisper, tmp_path: Path) -> None:
    variables = ct2_variables(model)
    (tmp_path / "model.bin").write_bytes(
        binary({**variables, "decoder/projection/weight": variables["decoder/embeddings/weight"] + 1}, {})
    )
    with pytest.raises(ModelError, match="expected the output layer tied to the embeddings, found another"):
        whisper_tensors(tmp_path / "model.bin")


def test_another_kind_of_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(SMALL.replace(b"WhisperSpec", b"MarianSpec1"))
    with pytest.raises(ModelError, match="expected a WhisperSpec, found 'MarianSpec1'; give a Whisper model"):
        whisper_tensors(tmp_path / "model.bin")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            binary({"a": np.ones(1, np.float32), "c": np.ones(1, np.float32)}, {}).replace(b"c\0", b"a\0"),
            "each variable once.* a twice",
        ),
        (binary({"a": np.ones(1, np.float32)}, {"b": "z"}), "an alias of a variable.* b -> z"),
        (binary({"a": np.ones(1, np.float32)}, {"a": "a"}), "an alias of a variable.* a -> a"),
    ],
)
def test_names_that_occur_twice_or_lead_nowhere_are_refused(
    data: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(ModelError, match=message):
        read_binary(tmp_path / "m")
