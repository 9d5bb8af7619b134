"""Conversion of a packaged model's fetched files into the model folder that the cache keeps."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from pathlib import Path

import torch

from components.compute.openai_whisper import ModelDimensions
from components.errors import ModelError
from components.models.checkpoints import TOKENIZER_NAMES, WEIGHTS, read_json
from components.models.conversion import whisper
from components.models.conversion.ctranslate2 import whisper_tensors
from components.models.formats import FORMATS
from components.models.packages.packaged_models import PackagedModel

WHISPER_EXTRAS = ("config.json", "tokenizer.json", "vocabulary.txt", "vocabulary.json")


def convert_packaged(row: PackagedModel, raw: Path, folder: Path) -> None:
    """Convert ``raw/weights`` and the files beside it into a model folder.

    A CTranslate2 Whisper becomes float32 safetensors, and its raw files stay in ``folder/ct2`` for
    faster-whisper. A transformers folder in a zip archive is unpacked. Others are of :data:`FORMATS`.

    Args:
        row: the packaged model.
        raw: its fetched files.
        folder: the folder to fill.

    Raises:
        ModelError: The weights are not a whole model.
    """
    if row.format == "ctranslate2":
        raw_folder = folder / "ct2"
        raw_folder.mkdir()
        shutil.move(raw / "weights", raw_folder / "model.bin")
        for name in WHISPER_EXTRAS:
            if (raw / name).is_file():
                shutil.move(raw / name, raw_folder / name)
        convert_ctranslate2(raw_folder, folder)
    elif row.format == "transformers":
        unpack_transformers(raw / "weights", folder)
    else:
        FORMATS[row.format].convert_package(row, raw, folder)


def unpack_transformers(archive: Path, folder: Path) -> None:
    """Unpack weights, configuration and tokenizer of a transformers folder, and nothing else.

    Args:
        archive: a zip file whose top level is the folder.
        folder: the folder to fill.

    Raises:
        ModelError: it is damaged, or has no weights or configuration.
    """
    names = TOKENIZER_NAMES | {"config.json", WEIGHTS}
    try:
        with zipfile.ZipFile(archive) as members:
            for name in names & set(members.namelist()):
                with members.open(name) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise ModelError(f"{archive}: expected a zip archive of a transformers folder ({error})") from None
    if not all((folder / name).is_file() for name in ("config.json", WEIGHTS)):
        raise ModelError(f"{archive}: expected config.json and {WEIGHTS}, found less")


def convert_ctranslate2(source: Path, folder: Path) -> None:
    """Convert a CTranslate2 Whisper folder into a float32 transformers folder.

    Args:
        source: holds ``model.bin`` and perhaps ``config.json``.
        folder: the folder to fill.

    Raises:
        ModelError: ``model.bin`` is not a whole Whisper model.
    """
    tensors, heads = whisper_tensors(source / "model.bin")
    dims = whisper.infer_dimensions(tensors, heads)
    whisper.write_folder(
        folder, tensors, dims, torch.float32, _read_alignment_heads(source / "config.json", dims)
    )


def _read_alignment_heads(path: Path, dims: ModelDimensions) -> list[list[int]] | None:
    stated = read_json(path).get("alignment_heads") if path.is_file() else None
    if stated is None:
        return None
    limits = (dims.n_text_layer, dims.n_text_head)
    pairs: list[list[int]] = []
    for pair in stated if isinstance(stated, list) else [stated]:
        numbers = list(pair) if isinstance(pair, list) else []
        if len(numbers) != 2 or any(
            type(n) is not int or not 0 <= n < m for n, m in zip(numbers, limits, strict=True)
        ):
            raise ModelError(
                f"{path}: expected alignment_heads as [layer, head] pairs, found {str(pair)[:40]}"
            )
        pairs.append(numbers)
    return pairs
