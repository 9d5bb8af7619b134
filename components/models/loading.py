"""Load checkpoints into memory; every tensor is accounted for, and every weight is a finite number."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
import transformers
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
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
from whisper.model import LayerNorm, Whisper

from components.device import pick_dtype
from components.errors import ModelError, to_one_line
from components.models.architectures import SEAMLESS
from components.models.checkpoints import read_header, read_json, verify, weight_files
from components.models.conversion.whisper import hub_name, openai_dimensions
from components.models.tensor_checks import (
    refuse_integers,
    refuse_mismatch,
    refuse_non_finite,
    refuse_report,
    without_heads,
    without_masking,
    without_other_modalities,
)
from components.networks.moe.sparse_marian import SparseMarianMTModel
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


OWN_CLASSES: dict[str, Any] = {"SparseMarianMTModel": SparseMarianMTModel}
"""Model classes that transformers does not have, by the architecture that config.json names."""
_NEEDED_TENSORS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "encoder": without_heads,
    "ctc": without_masking,
    "speech": partial(without_other_modalities, others=("text_encoder.", "t2u_model.", "vocoder.")),
    "seamless": partial(without_other_modalities, others=("speech_encoder.", "t2u_model.", "vocoder.")),
}
"""What of a loading report matters, where that is not everything; by kind, or family of architectures."""
M = TypeVar("M", bound=nn.Module)
TIED = frozenset({"proj_out.weight"})
"""Whisper's output layer, which is the embedding; the hub's checkpoints may store it again."""


def load_whisper(
    checkpoint: Checkpoint, device: torch.device | str = "cpu", dtype: torch.dtype | str = torch.float32
) -> Whisper:
    """Load openai-whisper's model, in evaluation mode, from a transformers Whisper folder.

    Layer norms stay in float32, as that model's own arithmetic expects, and are not rounded on the way.

    Args:
        checkpoint: The folder.
        device: Where the model goes.
        dtype: Type of its weights, or a name that :func:`components.device.pick_dtype` knows.

    Raises:
        ModelError: A tensor, which is named, is missing, unexpected, of another shape or not finite; or the
            device has no room for the weights.
    """
    device, dtype = _resolve_placement(device, dtype)
    verify(checkpoint)
    folder = Path(checkpoint.path)
    dims = openai_dimensions(read_json(folder / "config.json"), str(folder / "config.json"))
    model = Whisper(dims)
    state = {hub_name(name): tensor for name, tensor in model.state_dict().items()}
    _copy_tensors(checkpoint, state, ignored=TIED)
    _set_alignment_heads(model, folder)
    for module in model.modules():
        if not isinstance(module, LayerNorm):
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                if tensor.is_floating_point():
                    tensor.data = tensor.data.to(dtype)
    if dtype == torch.float16:
        refuse_non_finite(checkpoint, model.state_dict().items(), f" in {dtype}")
    return _move(checkpoint, model, device).eval()


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
        checkpoint: The folder.
        kind: Which of transformers' auto classes loads it.
        device: Where the model goes.
        dtype: Type of its weights, or a name that :func:`components.device.pick_dtype` knows.

    Returns:
        The model and its tokenizer; its processor where the model reads speech and is no ``ctc``.

    Raises:
        ModelError: A tensor, which is named, is missing, unexpected, of another shape or not finite; or the
            device has no room for the weights.
    """
    device, dtype = _resolve_placement(device, dtype)
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
    if not is_quantized:
        refuse_integers(checkpoint, model.state_dict())
        model = _move(checkpoint, model, device)
    refuse_non_finite(checkpoint, model.state_dict().items())
    return model.eval(), tokenizer


def _move(checkpoint: Checkpoint, model: M, device: torch.device) -> M:
    """Move a model to a device as a whole; one that has no room for it is named."""
    try:
        return model.to(device)
    except torch.OutOfMemoryError as error:
        tensors = (*model.parameters(), *model.buffers())
        needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 2**30
        raise ModelError(
            f"{checkpoint.reference}: expected room for {needed:.1f} GiB of weights on {device}, found less "
            f"({to_one_line(error, 200)}); set dtype: bfloat16, or name a smaller or a quantized model, or a "
            "free device"
        ) from error


def _from_pretrained(checkpoint: Checkpoint, kind: Kind, placement: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Model, tokenizer, and what transformers reports of the model's tensors."""
    auto_class, tokenizer_class = AUTO_CLASSES[kind]
    model_class = OWN_CLASSES.get(checkpoint.architecture, auto_class)
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


def copy_weights_into(checkpoint: Checkpoint, state: Mapping[str, Tensor]) -> None:
    """Copy a checkpoint's tensors into those of a state dict, by name.

    Raises:
        ModelError: A tensor, which is named, is missing, unexpected, of another shape or not finite.
    """
    verify(checkpoint)
    _copy_tensors(checkpoint, state)


def _copy_tensors(checkpoint: Checkpoint, state: Mapping[str, Tensor], ignored: Collection[str] = ()) -> None:
    folder = Path(checkpoint.path)
    stored = {name: shape for file in weight_files(folder) for name, (_, shape) in read_header(file).items()}
    expected = {name: tuple(tensor.shape) for name, tensor in state.items()}
    refuse_mismatch(checkpoint, expected, stored, ignored)
    refuse_integers(checkpoint, state)
    for name, tensor in _iterate_tensors(folder):
        if name not in ignored:
            state[name].copy_(tensor)
    refuse_non_finite(checkpoint, state.items())


def _resolve_placement(
    device: torch.device | str, dtype: torch.dtype | str
) -> tuple[torch.device, torch.dtype]:
    device = torch.device(device)
    return device, pick_dtype(dtype, device) if isinstance(dtype, str) else dtype


def _iterate_tensors(folder: Path) -> Iterable[tuple[str, Tensor]]:
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    yield name, tensors.get_tensor(name)
        except SafetensorError as error:
            raise ModelError(f"{file}: not a safetensors file ({error}); fetch the model again") from error


def _set_alignment_heads(model: Whisper, folder: Path) -> None:
    """Mark the heads whose attention follows time, where the folder names them."""
    path = folder / "generation_config.json"
    pairs = read_json(path).get("alignment_heads") if path.is_file() else None
    if not pairs:
        return
    mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
    try:
        for layer, head in pairs:  # type: ignore[attr-defined]
            mask[layer, head] = True
    except (TypeError, ValueError, IndexError) as error:
        raise ModelError(
            f"{path}: expected alignment_heads as [layer, head] pairs, found others ({error})"
        ) from None
    model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)


def count_parameters(model: nn.Module) -> int:
    """Count a model's weights; shared ones count once."""
    return sum(parameter.numel() for parameter in model.parameters())
