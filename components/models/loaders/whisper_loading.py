"""Load Whisper checkpoints into openai-whisper's model."""

from __future__ import annotations

from pathlib import Path

import torch

from components.compute.openai_whisper import LayerNorm, Whisper
from components.errors import ModelError
from components.models.checkpoints import read_header, read_json, weight_files
from components.models.conversion.whisper import hub_name, openai_dimensions
from components.models.tensor_checks import refuse_non_finite
from components.models.weights import copy_weights_into, move_model, resolve_placement
from components.records import Checkpoint

OUTPUT, EMBEDDING = "proj_out.weight", "model.decoder.embed_tokens.weight"
"""Whisper's output layer, which is the embedding; the hub's checkpoints may store it again."""


def load_whisper(
    checkpoint: Checkpoint, device: torch.device | str = "cpu", dtype: torch.dtype | str = torch.float32
) -> Whisper:
    """Load openai-whisper's model, in evaluation mode, from a transformers Whisper folder.

    Layer norms stay in float32, as that model's own arithmetic expects, and are not rounded on the way.

    Args:
        checkpoint: the folder.
        device: where the model goes.
        dtype: type of its weights, or a name that :func:`components.compute.device.pick_dtype` knows.

    Raises:
        ModelError: A tensor, which is named, is missing, unexpected, of another shape or not finite; the
            activation or the output layer is not Whisper's; or the device has no room for the weights.
    """
    device, dtype = resolve_placement(device, dtype)
    folder = Path(checkpoint.path)
    config = read_json(folder / "config.json")
    model = Whisper(openai_dimensions(config, str(folder / "config.json")))
    state = {hub_name(name): tensor for name, tensor in model.state_dict().items()}
    if any(OUTPUT in read_header(file) for file in weight_files(folder)):
        state[OUTPUT] = torch.empty_like(state[EMBEDDING])
    copy_weights_into(checkpoint, state)
    if config.get("activation_function", "gelu") != "gelu" or not torch.equal(
        state.get(OUTPUT, state[EMBEDDING]), state[EMBEDDING]
    ):
        raise ModelError(
            f"{checkpoint.reference}: expected activation_function gelu, and {OUTPUT} equal to the "
            "embedding, as Whisper's are, found others; set backend: transformers"
        )
    _set_alignment_heads(model, folder)
    for module in model.modules():
        if not isinstance(module, LayerNorm):
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                if tensor.is_floating_point():
                    tensor.data = tensor.data.to(dtype)
    if dtype == torch.float16:
        refuse_non_finite(checkpoint, model.state_dict().items(), f" in {dtype}")
    return move_model(checkpoint, model, device).eval()


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
