"""GGUF files of language models -> bfloat16 safetensors folders.

transformers reads GGUF, but slowly and, unless told otherwise, into packed tensors; so it is done once.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, modeling_gguf_pytorch_utils
from transformers.utils import logging as transformers_logging

from components.errors import ModelError, to_one_line


def convert_gguf(file: Path, folder: Path, eos_token_ids: tuple[int, ...] = ()) -> None:
    """Convert a GGUF language model into a transformers folder: bfloat16, tokenizer, chat template.

    Args:
        file: the GGUF file.
        folder: the folder to fill.
        eos_token_ids: tokens that end a generation (Qwen's chat models run on unless both of theirs are
            known); empty for those of the file.

    Raises:
        ModelError: transformers cannot read the file, or tensors are missing.
    """
    with file.open("rb") as start:
        if (magic := start.read(4)) != b"GGUF":
            raise ModelError(
                f"{file}: expected a GGUF file, found one that begins with {magic!r}; fetch it again"
            )
    model, tokenizer = _load_gguf(file)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    if eos_token_ids:
        model.generation_config.eos_token_id = list(eos_token_ids)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _drop_quantization(folder / "config.json")


def _load_gguf(file: Path) -> tuple[Any, Any]:
    """Return the model and tokenizer of a GGUF file, unpacked to bfloat16."""
    where: dict[str, Any] = {
        "pretrained_model_name_or_path": str(file.parent),
        "gguf_file": file.name,
        "local_files_only": True,
    }
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    reader: Any = modeling_gguf_pytorch_utils
    draw_bar = reader.tqdm  # which heeds no setting of transformers, and fills pipes and logs with lines
    reader.tqdm = partial(draw_bar, disable=True)
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            **where,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
        )
    except Exception as error:  # a damaged file makes the reader fail in ways that it does not name
        raise ModelError(
            f"{file}: transformers cannot read this GGUF file ({type(error).__name__}: {to_one_line(error)})"
        ) from error
    finally:
        reader.tqdm = draw_bar
    model, report = loaded
    if missing := sorted(report["missing_keys"]):  # transformers would fill them with random numbers
        raise ModelError(
            f"{file}: expected all of the model's tensors, found {len(missing)} missing (the first is "
            f"{missing[0]}); fetch it again"
        )
    return model, tokenizer


def _drop_quantization(path: Path) -> None:
    """Drop the keys of a ``config.json`` that describe the packed file, not the model that was written."""
    values = json.loads(path.read_text(encoding="utf-8"))
    for key in ("quantization_config", "_name_or_path"):
        values.pop(key, None)
    path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")
