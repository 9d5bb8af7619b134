"""Folders of stacked models: ``model.safetensors``, ``config.json`` (AntiphonStackedModel) and a tokenizer.

``config.json`` holds the text model's configuration under ``text`` and the settings of the speech encoder
under ``speech``. ``store:KEY``, a path and so on name such a folder like that of any other model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, MarianConfig

from components.errors import ConfigError, ModelError
from components.models import resolve
from components.models.architectures import STACKED
from components.models.checkpoints import read_json, verify
from components.models.loaders.loading import load_transformers
from components.networks.stacked_model import StackedKind, StackedModel
from components.records import Checkpoint
from components.stacking.config import SpeechConfig
from components.training.loop.checkpoint import load_weights

OUTPUT_BIAS = "text.final_logits_bias"


@dataclass(frozen=True)
class LoadedStackedModel:
    """A stacked model with its tokenizer, the settings of its speech encoder and its reference as name."""

    model: StackedModel
    tokenizer: Any
    speech: SpeechConfig
    name: str


def from_text_model(
    reference: str, kind: StackedKind, speech: SpeechConfig, width: int, stack: int, store: str | None
) -> LoadedStackedModel:
    """Start a stacked model from a text model of Marian's architecture; its other weights are random.

    Torch's seed decides them.

    Args:
        reference: the text model.
        kind: direct or dual.
        speech: settings of the speech encoder.
        width: of an encoder state.
        stack: encoder states that are concatenated to one.
        store: where ``store:`` references are looked up.

    Raises:
        ConfigError: the text model is of another architecture.
    """
    checkpoint = resolve(reference, store)
    if checkpoint.architecture != "MarianMTModel":
        raise ConfigError(
            f"{reference}: expected a MarianMTModel to start from, found {checkpoint.architecture}"
        )
    text, tokenizer = load_transformers(checkpoint, "seq2seq")
    model = StackedModel(text.config, kind, width, stack)
    model.text.load_state_dict(text.state_dict())
    model.text.set_attn_implementation("eager")
    return LoadedStackedModel(model, tokenizer, speech, reference)


def save_stacked(stacked: LoadedStackedModel, folder: Path) -> None:
    """Write the folder that :func:`load_stacked` reads."""
    model = stacked.model
    folder.mkdir(parents=True, exist_ok=True)
    stored = ((name, p.detach()) for name, p in model.named_parameters() if "embed_positions" not in name)
    tensors = {name: tensor.float().cpu() for name, tensor in stored}
    save_file(
        {**tensors, OUTPUT_BIAS: model.text.final_logits_bias.float().cpu()}, folder / "model.safetensors"
    )
    settings = {
        "architectures": [STACKED],
        "kind": model.kind,
        "width": model.width,
        "stack": model.stack,
        "speech": stacked.speech.model_dump(mode="json"),
        "text": model.config.to_dict(),
    }
    (folder / "config.json").write_text(json.dumps(settings, indent=2, default=str) + "\n", encoding="utf-8")
    stacked.tokenizer.save_pretrained(folder)


def load_stacked(checkpoint: Checkpoint, device: torch.device | str = "cpu") -> LoadedStackedModel:
    """Load the stacked model of a checkpoint, in evaluation mode.

    Raises:
        ModelError: it is another model, its settings are incomplete, or a tensor is missing or not finite.
    """
    if checkpoint.architecture != STACKED:
        raise ModelError(
            f"{checkpoint.reference}: expected a stacked model (of `antiphon run stack`), found "
            f"{checkpoint.architecture}"
        )
    verify(checkpoint)
    folder = Path(checkpoint.path)
    settings: dict[str, Any] = read_json(folder / "config.json")
    try:
        config = MarianConfig.from_dict(settings["text"])
        speech = SpeechConfig.model_validate(settings["speech"])
        model = StackedModel(config, settings["kind"], int(settings["width"]), int(settings["stack"]))
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise ModelError(f"{folder / 'config.json'}: expected a stacked model's settings ({error})") from None
    tensors = load_file(folder / "model.safetensors")
    non_finite = [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]
    if non_finite:
        raise ModelError(f"{checkpoint.reference}: tensor {non_finite[0]} is not finite: train it again")
    model.text.final_logits_bias.copy_(tensors.pop(OUTPUT_BIAS))
    load_weights(model, tensors)
    model.text.set_attn_implementation("eager")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return LoadedStackedModel(model.to(device).eval(), tokenizer, speech, checkpoint.reference)
