"""``onnx:FOLDER`` and ``vosk:FOLDER``: models of recognizers that are libraries of their own, in a folder.

They are no safetensors; the checkpoint's digest covers every file that can be read. Nothing is fetched: vosk
and onnx-asr would download what they are asked for by name, so they get folders only.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from components.digests import combine_digests, sha256_of
from components.errors import ConfigError, ModelError
from components.file_limits import refuse_irregular
from components.models.architectures import ONNX_ASR, VOSK
from components.models.checkpoints import read_json
from components.models.references import display_reference
from components.records import Checkpoint


@dataclass(frozen=True)
class SpeechFolder:
    """What the folder of a library's model is.

    Attributes:
        architecture: What its checkpoint says that it is.
        module: The library, as Python imports it.
        extra: The extra that brings it.
        files: Patterns of files that every such folder has.
    """

    architecture: str
    module: str
    extra: str
    files: tuple[str, ...]


SPEECH_FOLDERS = {
    "onnx": SpeechFolder(ONNX_ASR, "onnx_asr", "onnx-asr", ("config.json", "**/*.onnx")),
    "vosk": SpeechFolder(VOSK, "vosk", "vosk", ("**/final.mdl", "**/HCL*.fst")),
}
"""Scheme -> its folders."""


def speech_folder_model(scheme: str, name: str) -> Checkpoint:
    """The checkpoint of ``onnx:FOLDER`` or ``vosk:FOLDER``.

    Args:
        scheme: ``onnx`` or ``vosk``.
        name: The folder.

    Raises:
        ConfigError: The extra is not installed.
        ModelError: There is no such folder, or it holds no such model.
    """
    kind, reference = SPEECH_FOLDERS[scheme], display_reference(f"{scheme}:{name}")
    if find_spec(kind.module) is None:
        raise ConfigError(
            f"{reference} expects the extra {kind.extra!r}, found it missing; pip install "
            f"'antiphon[{kind.extra}]'"
        )
    folder = Path(name).expanduser().absolute()
    if not folder.is_dir():
        raise ModelError(f"{reference}: expected the path of a model folder, found none there")
    for pattern in kind.files:
        if next(folder.glob(pattern), None) is None:
            raise ModelError(f"{reference}: expected a folder with {pattern}, found none in it")
    if scheme == "onnx" and not isinstance(read_json(folder / "config.json").get("model_type"), str):
        raise ModelError(
            f"{folder / 'config.json'}: expected model_type, as nemo-conformer-tdt, by which onnx-asr knows "
            "the model, found none"
        )
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    for path in files:
        refuse_irregular(path)
    digests = {str(path.relative_to(folder)): sha256_of(path) for path in files}
    return Checkpoint(
        reference=f"{scheme}:{name}",
        path=str(folder),
        sha256=combine_digests(digests),
        architecture=kind.architecture,
    )
