"""Model files on disk, converted once each into a folder of the cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from components.errors import ModelError, to_one_line
from components.files.digests import cache_folder, sha256_of
from components.models.checkpoints import PICKLES, checkpoint_of, read_header
from components.models.conversion import whisper
from components.models.conversion.packaged import convert_ctranslate2
from components.models.packages.install_manifest import install_once
from components.records import Checkpoint

CONVERSION_VERSION = 1
"""Raised when a conversion writes other bytes, so that folders in the cache are not taken for new ones."""


def convert_once(weights: Path, reference: str, write: Callable[[Path], None]) -> Checkpoint:
    """Convert a file into a model folder of the cache, named by the file's digest, on first use.

    Args:
        weights: the file.
        reference: what to call the model in records and messages.
        write: fills the folder that it is given.

    Raises:
        ModelError: The file is damaged.
    """
    digest = sha256_of(weights)
    folder = install_once(cache_folder() / "converted" / f"{digest}-{CONVERSION_VERSION}", write)
    return checkpoint_of(folder, reference, (f"sha256:{digest}",))


def convert_whisper_file(path: Path, reference: str) -> Checkpoint:
    """Convert a Whisper on disk into a transformers folder, on first use.

    Args:
        path: openai-whisper's ``.pt`` (read with ``weights_only=True``: no pickle is executed) or
            ``.safetensors``, or a CTranslate2 Whisper folder (``model.bin``).
        reference: what to call the model in records and messages.

    Raises:
        ModelError: The file is something else, or damaged.
    """
    weights = path / "model.bin" if path.is_dir() else path
    write: Callable[[Path], None]
    if path.is_dir():
        write = partial(convert_ctranslate2, path)
    elif path.suffix == ".safetensors" or path.suffix in PICKLES:
        write = partial(write_whisper, path)
    else:
        raise ModelError(
            f"{path}: expected a transformers folder, a Whisper .pt or .safetensors file, a CTranslate2 "
            f"folder or a .gguf file, found {path.suffix or 'a file without suffix'}"
        )
    return convert_once(weights, reference, write)


def write_whisper(path: Path, folder: Path, packed_heads: bytes | None = None) -> None:
    """Convert an openai-whisper file into a transformers folder of the type that its weights have.

    Args:
        path: ``.pt`` or ``.safetensors``.
        folder: the folder to fill.
        packed_heads: the alignment heads in openai-whisper's own form, where they are known.

    Raises:
        ModelError: It is no openai-whisper model.
    """
    tensors, claimed = _read_whisper_file(path)
    tensors = {name: t for name, t in tensors.items() if name != "proj_out.weight"}
    if all(name.startswith("model.") for name in tensors):
        raise ModelError(
            f"{path}: expected openai-whisper's tensor names, found the hub's; give the folder it is in"
        )
    head_count = claimed.get("n_audio_head")
    dims = whisper.infer_dimensions(tensors, head_count)
    for key, value in claimed.items():
        if getattr(dims, key, None) != value:
            raise ModelError(f"{path}: its dims say {key} = {value}, its tensors {getattr(dims, key, None)}")
    dtypes = {t.dtype for t in tensors.values()}
    dtype = dtypes.pop() if len(dtypes) == 1 else torch.float32
    pairs = whisper.unpack_alignment_heads(packed_heads, dims) if packed_heads else None
    whisper.write_folder(folder, tensors, dims, dtype, pairs)


def _read_whisper_file(path: Path) -> tuple[dict[str, Tensor], dict[str, int]]:
    """Tensors of a Whisper file by openai-whisper's names, and the dimensions that it claims, if any."""
    if path.suffix == ".safetensors":
        read_header(path)
        try:
            return load_file(path), {}
        except SafetensorError as error:
            raise ModelError(f"{path}: not a safetensors file ({error})") from error
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # what a damaged or hostile file makes torch raise has no common class
        raise ModelError(
            f"{path}: expected an openai-whisper checkpoint that torch.load(weights_only=True) accepts, "
            f"found something else ({to_one_line(error)}); other pickles can run code and are refused"
        ) from error
    state = loaded.get("model_state_dict") if isinstance(loaded, dict) else None
    dims = loaded.get("dims") if isinstance(loaded, dict) else None
    good = isinstance(state, dict) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()
    )
    if not good or not isinstance(dims, dict) or not all(type(v) is int for v in dims.values()):
        raise ModelError(f"{path}: expected openai-whisper's dims and model_state_dict, found something else")
    return dict(state or {}), dims
