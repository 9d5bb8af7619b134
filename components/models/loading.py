"""Checkpoints -> models in memory. Every tensor is accounted for, and every weight is a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSpeechSeq2Seq,
    AutoProcessor,
    AutoTokenizer,
)
from transformers.utils import logging as transformers_logging
from whisper.model import LayerNorm, Whisper

from components.device import pick_dtype
from components.errors import ModelError
from components.models.checkpoints import read_header, read_json, verify, weight_files
from components.models.conversion.whisper import hub_name, openai_dimensions
from components.networks.moe.sparse_marian import SparseMarianMTModel
from components.records import Checkpoint

Kind = Literal["seq2seq", "causal", "speech"]
AUTO_CLASSES: dict[str, tuple[Any, Any]] = {
    "seq2seq": (AutoModelForSeq2SeqLM, AutoTokenizer),
    "causal": (AutoModelForCausalLM, AutoTokenizer),
    "speech": (AutoModelForSpeechSeq2Seq, AutoProcessor),
}


OWN_ARCHITECTURES: dict[str, Any] = {"SparseMarianMTModel": SparseMarianMTModel}
"""Architectures of ours, as config.json names them, that transformers does not have."""
WITHOUT_NAN = {getattr(torch, name) for name in ("float4_e2m1fn_x2",) if hasattr(torch, name)}
# The hub's Whisper may store the output layer, which is the embedding again.
TIED = {"proj_out.weight": "model.decoder.embed_tokens.weight"}


def load_whisper(
    checkpoint: Checkpoint, device: torch.device | str = "cpu", dtype: torch.dtype | str = torch.float32
) -> Whisper:
    """openai-whisper's model, in evaluation mode, from a transformers Whisper folder.

    Layer norms stay in float32, as that model's own arithmetic expects, and are not rounded on the way.
    Raises :class:`ModelError` naming the first tensor that is missing, unexpected, of another shape or not
    finite.
    """
    device, dtype = _resolve_placement(device, dtype)
    verify(checkpoint)
    folder = Path(checkpoint.path)
    dims = openai_dimensions(read_json(folder / "config.json"), str(folder / "config.json"))
    model = Whisper(dims)
    state = {hub_name(name): tensor for name, tensor in model.state_dict().items()}
    stored = {name: shape for file in weight_files(folder) for name, (_, shape) in read_header(file).items()}
    tied = {name for name in TIED if name in stored}
    _refuse_mismatch(checkpoint, {n: tuple(t.shape) for n, t in state.items()}, stored, ignored=tied)
    _refuse_integers(checkpoint, state)
    for name, tensor in _iterate_tensors(folder):
        if name not in tied:
            state[name].copy_(tensor)
    _refuse_non_finite(checkpoint, state.items())
    _set_alignment_heads(model, folder)
    for module in model.modules():
        if not isinstance(module, LayerNorm):
            for tensor_of_module in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                if tensor_of_module.is_floating_point():
                    tensor_of_module.data = tensor_of_module.data.to(dtype)
    if dtype == torch.float16:
        _refuse_non_finite(checkpoint, model.state_dict().items(), f" in {dtype}")
    return model.to(device).eval()


def load_transformers(
    checkpoint: Checkpoint,
    kind: Kind,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | str = torch.float32,
) -> tuple[Any, Any]:
    """A transformers model in evaluation mode and its tokenizer (its processor, for ``kind`` "speech").

    transformers would initialise missing tensors at random and go on; here missing, unexpected, mismatched
    and non-finite tensors raise :class:`ModelError` with the tensor's name. No code of a model is ever run.
    A quantised checkpoint keeps the types that it was made for, whatever ``dtype`` says.
    """
    device, dtype = _resolve_placement(device, dtype)
    verify(checkpoint)
    quantised = read_json(Path(checkpoint.path) / "config.json").get("quantization_config") is not None
    # Packed weights cannot be cast, and those of bitsandbytes not be moved, once they are loaded.
    load_options: dict[str, Any] = (
        {"dtype": "auto", "device_map": {"": device}} if quantised else {"dtype": dtype}
    )
    model_class, tokenizer_class = AUTO_CLASSES[kind]
    model_class = OWN_ARCHITECTURES.get(checkpoint.architecture, model_class)
    safe = {"local_files_only": True, "trust_remote_code": False}
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model, report = model_class.from_pretrained(
            checkpoint.path,
            **safe,
            **load_options,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        tokenizer = tokenizer_class.from_pretrained(checkpoint.path, **safe)
    except Exception as error:  # transformers raises whatever its many readers raise
        message = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{checkpoint.reference}: transformers cannot load {checkpoint.architecture} as {kind} from "
            f"{checkpoint.path} ({type(error).__name__}: {message})"
        ) from error
    _refuse_report(checkpoint, report)
    if not quantised:
        _refuse_integers(checkpoint, model.state_dict())
        model = model.to(device)
    _refuse_non_finite(checkpoint, model.state_dict().items())
    return model.eval(), tokenizer


def copy_weights_into(checkpoint: Checkpoint, state: Mapping[str, Tensor]) -> None:
    """Copy a checkpoint's tensors into those of ``state``, by name.

    Raises :class:`ModelError` naming the first that is missing, unexpected, of another shape or not finite.
    """
    verify(checkpoint)
    folder = Path(checkpoint.path)
    stored = {name: shape for file in weight_files(folder) for name, (_, shape) in read_header(file).items()}
    _refuse_mismatch(checkpoint, {n: tuple(t.shape) for n, t in state.items()}, stored, ignored=set())
    _refuse_integers(checkpoint, state)
    for name, tensor in _iterate_tensors(folder):
        state[name].copy_(tensor)
    _refuse_non_finite(checkpoint, state.items())


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


Shape = tuple[int, ...]


def _refuse_mismatch(
    checkpoint: Checkpoint, expected: Mapping[str, Shape], stored: Mapping[str, Shape], ignored: set[str]
) -> None:
    where = f"{checkpoint.reference} ({checkpoint.path})"
    for name, shape in expected.items():
        if name not in stored:
            raise ModelError(
                f"{where}: expected tensor {name} {list(shape)}, found none; fetch the model again"
            )
        if stored[name] != shape:
            raise ModelError(
                f"{where}: expected tensor {name} {list(shape)}, found {list(stored[name])}; "
                "its config.json belongs to another model"
            )
    if extra := sorted(set(stored) - set(expected) - ignored):
        raise ModelError(f"{where}: found tensor {extra[0]}, which {checkpoint.architecture} does not have")


def _refuse_integers(checkpoint: Checkpoint, state: Mapping[str, Tensor]) -> None:
    """Whole numbers under the name of a weight would be cast without a word."""
    for file in weight_files(Path(checkpoint.path)):
        for name, (dtype, _) in read_header(file).items():
            if name in state and state[name].is_floating_point() and not dtype.startswith(("F", "BF")):
                raise ModelError(
                    f"{checkpoint.reference} ({checkpoint.path}): expected floating-point numbers in tensor "
                    f"{name}, found {dtype}; use another checkpoint"
                )


def _refuse_report(checkpoint: Checkpoint, report: Mapping[str, Any]) -> None:
    """Turn transformers' loading report into an error with the first tensor's name."""
    where = f"{checkpoint.reference} ({checkpoint.path}): {checkpoint.architecture}"
    if mismatched := sorted(report["mismatched_keys"]):
        name, actual, expected = mismatched[0]
        raise ModelError(f"{where}: expected tensor {name} {list(expected)}, found {list(actual)}")
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"{where}: expected tensor {missing[0]}, found none ({len(missing)} missing)")
    if unexpected := sorted(report["unexpected_keys"]):
        raise ModelError(
            f"{where}: found tensor {unexpected[0]}, which it does not have ({len(unexpected)} such)"
        )
    if problems := report.get("error_msgs"):
        raise ModelError(f"{where}: {problems[0]}")


def _refuse_non_finite(checkpoint: Checkpoint, tensors: Iterable[tuple[str, Tensor]], note: str = "") -> None:
    for name, tensor in tensors:
        if not tensor.is_floating_point() or tensor.dtype in WITHOUT_NAN:
            continue
        values = tensor.float() if tensor.itemsize == 1 else tensor  # float8 has no sum
        # A sum is NaN or infinite when any term is (or, rarely, on overflow: then look at each).
        if not values.sum(dtype=torch.float32).isfinite():
            count = int((~values.isfinite()).sum())
            if count:
                raise ModelError(
                    f"{checkpoint.reference} ({checkpoint.path}): tensor {name} has {count} values that are "
                    f"not finite{note}; its training failed or its file is damaged: use another checkpoint"
                )


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
    """Number of weights, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())
