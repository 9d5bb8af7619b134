"""``onnx:FOLDER``: a model of onnx-asr, in a folder.

It is no safetensors; the checkpoint's digest covers every file that can be read. Nothing is fetched: onnx-asr
would download what it is asked for by name, so it gets folders only.
"""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override

from components.errors import ModelError, require_extra
from components.files.digests import combine_digests, sha256_of
from components.files.file_limits import refuse_irregular
from components.models.checkpoints import read_json
from components.models.packages.wheels import ProgressCallback
from components.models.references import display_reference
from components.models.sources.source import Source
from components.records import Checkpoint

ARCHITECTURE = "onnx-asr"
_FILES = ("config.json", "**/*.onnx")
"""Patterns of files that every such folder has."""


def onnx_model(name: str) -> Checkpoint:
    """Return the checkpoint of ``onnx:FOLDER``.

    Args:
        name: the folder.

    Raises:
        ConfigError: the extra is not installed.
        ModelError: there is no such folder, or it holds no such model.
    """
    reference = display_reference(f"onnx:{name}")
    require_extra(reference, "onnx_asr", "onnx-asr")
    folder = Path(name).expanduser().absolute()
    if not folder.is_dir():
        raise ModelError(f"{reference}: expected the path of a model folder, found none there")
    for pattern in _FILES:
        if next(folder.glob(pattern), None) is None:
            raise ModelError(f"{reference}: expected a folder with {pattern}, found none in it")
    if not isinstance(read_json(folder / "config.json").get("model_type"), str):
        raise ModelError(
            f"{folder / 'config.json'}: expected model_type, as nemo-conformer-tdt, by which onnx-asr knows "
            "the model, found none"
        )
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    for path in files:
        refuse_irregular(path)
    digests = {str(path.relative_to(folder)): sha256_of(path) for path in files}
    return Checkpoint(
        reference=f"onnx:{name}",
        path=str(folder),
        sha256=combine_digests(digests),
        architecture=ARCHITECTURE,
    )


class OnnxSource(Source):
    """Folders of onnx-asr's models."""

    @override
    def resolve(self, name: str, store: str | None, on_progress: ProgressCallback) -> Checkpoint:
        return onnx_model(name)

    @override
    def check(self, name: str, store: str | None) -> None:
        onnx_model(name)
