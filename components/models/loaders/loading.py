"""Load checkpoints by transformers; every tensor is accounted for, and every weight is a finite number."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForCTC,
    AutoModelForSeq2SeqLM,
    AutoModelForSpeechSeq2Seq,
    AutoProcessor,
    AutoTokenizer,
)
from transformers.utils import logging as transformers_logging

from components.errors import ModelError, to_one_line
from components.extensions import Extensions, accept_any
from components.models.architectures import SEAMLESS
from components.models.checkpoints import read_header, read_json, verify, weight_files
from components.models.tensor_checks import (
    refuse_integers,
    refuse_non_finite,
    refuse_report,
    without_heads,
    without_masking,
    without_other_modalities,
)
from components.models.tokenizer_files import missing_tokenizer_files, refuse_foreign_vocabulary
from components.models.weights import move_model, resolve_placement
from components.records import Checkpoint

Kind = Literal["seq2seq", "causal", "speech", "encoder", "ctc", "named"]
AUTO_CLASSES: dict[str, tuple[Any, Any]] = {
    "seq2seq": (AutoModelForSeq2SeqLM, AutoTokenizer),
    "causal": (AutoModelForCausalLM, AutoTokenizer),
    "speech": (AutoModelForSpeechSeq2Seq, AutoProcessor),
    "encoder": (AutoModel, AutoTokenizer),
    "ctc": (AutoModelForCTC, AutoTokenizer),
    "named": (None, AutoProcessor),  # the class of the name that config.json has
}

_HALVES = {"BF16": torch.bfloat16, "F16": torch.float16}
ARCHITECTURES: Extensions[Any] = Extensions("antiphon.architectures", "architecture", accept_any)
"""Model classes that transformers does not have, by the architecture that config.json names."""
_NEEDED_TENSORS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "encoder": without_heads,
    "ctc": without_masking,
    "speech": partial(without_other_modalities, others=("text_encoder.", "t2u_model.", "vocoder.")),
    "seamless": partial(without_other_modalities, others=("speech_encoder.", "t2u_model.", "vocoder.")),
}
"""What of a loading report matters, where that is not everything; by kind, or family of architectures."""


def load_transformers(
    checkpoint: Checkpoint,
    kind: Kind,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | str = torch.float32,
) -> tuple[Any, Any]:
    """Load a transformers model in evaluation mode, and its tokenizer.

    transformers would initialize missing tensors at random and go on; here they are an error. No code of a
    model is ever run. A quantized checkpoint keeps the types that it was made for, whatever ``dtype`` says.

    Args:
        checkpoint: the folder.
        kind: which of transformers' auto classes loads it.
        device: where the model goes.
        dtype: type of its weights, or a name that :func:`components.compute.device.pick_dtype` knows.

    Returns:
        The model and its tokenizer; its processor where the model reads speech and is no ``ctc``.

    Raises:
        ModelError: A tensor, which is named, is missing, unexpected, of another shape or not finite; the
            tokenizer is another model's; or the device has no room for the weights.
    """
    device, dtype = resolve_placement(device, dtype)
    verify(checkpoint)
    is_quantized = read_json(Path(checkpoint.path) / "config.json").get("quantization_config") is not None
    # Packed weights cannot be cast, and those of bitsandbytes not be moved, once they are loaded.
    placement: dict[str, Any] = {"dtype": dtype}
    if is_quantized:
        placement = {"dtype": "auto", "device_map": {"": device}}
    model, tokenizer, report = _from_pretrained(checkpoint, kind, placement)
    is_seamless = kind == "seq2seq" and checkpoint.architecture.startswith(SEAMLESS)
    select_needed = _NEEDED_TENSORS.get("seamless" if is_seamless else kind)
    refuse_report(checkpoint, select_needed(report) if select_needed else report)
    if kind in ("seq2seq", "causal", "encoder"):
        refuse_foreign_vocabulary(checkpoint, model, tokenizer)
    if not is_quantized:
        refuse_integers(checkpoint, model.state_dict())
        model = move_model(checkpoint, model, device)
    refuse_non_finite(checkpoint, model.state_dict().items())
    return model.eval(), tokenizer


def load_to_pack(checkpoint: Checkpoint, kind: Kind) -> tuple[Any, Any, bool]:
    """Load a model for the CPU whose weights will be packed: in 16 bits where all of them are stored so.

    As float32 they would be in memory twice before they are packed, and take most of the time. Not so where
    the model's code computes more tensors than rotary frequencies: it would round them.

    Returns:
        The model, its tokenizer, and whether what is not packed has 16 bits that are to become float32.
    """
    folder = Path(checkpoint.path)
    headers = map(read_header, weight_files(folder))
    stored = {name: dtype for header in headers for name, (dtype, _) in header.items()}
    half = _HALVES.get("".join(set(stored.values())))
    if half is not None and "quantization_config" not in read_json(folder / "config.json"):
        model, tokenizer = load_transformers(checkpoint, kind, dtype=half)
        tensors = (*model.named_parameters(), *model.named_buffers())
        computed = [(name, tensor.dtype) for name, tensor in tensors if name not in stored]
        if all(name.endswith("inv_freq") and dtype == torch.float32 for name, dtype in computed):
            return model, tokenizer, True
        del model, tensors
    return *load_transformers(checkpoint, kind), False


def _from_pretrained(checkpoint: Checkpoint, kind: Kind, placement: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the model, tokenizer, and what transformers reports of the model's tensors."""
    missing = missing_tokenizer_files(Path(checkpoint.path)) if kind in ("seq2seq", "causal") else ""
    if missing:
        raise ModelError(
            f"{checkpoint.reference}: expected a tokenizer beside the weights in {checkpoint.path}, found no "
            f"{missing}; copy them there from the model that this one was made of"
        )
    auto_class, tokenizer_class = AUTO_CLASSES[kind]
    model_class = ARCHITECTURES.get(checkpoint.architecture, auto_class)
    if model_class is None:
        model_class = getattr(transformers, checkpoint.architecture, None)
    if model_class is None:
        raise ModelError(
            f"{checkpoint.reference}: expected a transformers that has {checkpoint.architecture}, found "
            f"{transformers.__version__}: pip install -U transformers"
        )
    safe = {"local_files_only": True, "trust_remote_code": False}
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if kind == "encoder":  # transformers warns of the heads that an encoder does not have
        for part in ("modeling_utils", "distributed.tensor_parallel"):
            logging.getLogger(f"transformers.{part}").setLevel(logging.ERROR)
    try:
        model, report = model_class.from_pretrained(
            checkpoint.path,
            **safe,
            **placement,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        tokenizer = tokenizer_class.from_pretrained(checkpoint.path, **safe)
    except Exception as error:  # transformers raises whatever its many readers raise
        raise ModelError(
            f"{checkpoint.reference}: transformers cannot load {checkpoint.architecture} as {kind} from "
            f"{checkpoint.path} ({type(error).__name__}: {to_one_line(error, 300)})"
        ) from error
    return model, tokenizer, report
