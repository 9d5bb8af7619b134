"""Checks of tensors while a model is loaded: each is accounted for, and each weight is a finite number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.errors import ModelError
from components.models.checkpoints import read_header, weight_files
from components.records import Checkpoint

Shape = tuple[int, ...]
_WITHOUT_NAN = {getattr(torch, name) for name in ("float4_e2m1fn_x2",) if hasattr(torch, name)}
"""Types without values that are not finite, as far as this torch has them."""


def refuse_mismatch(
    checkpoint: Checkpoint, expected: Mapping[str, Shape], stored: Mapping[str, Shape]
) -> None:
    """Refuse stored tensors that are not exactly those of the model.

    Args:
        checkpoint: the checkpoint, for messages.
        expected: shape of each tensor of the model.
        stored: shape of each tensor of the checkpoint.

    Raises:
        ModelError: A tensor is missing, has another shape, or is not the model's.
    """
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
    if extra := sorted(set(stored) - set(expected)):
        raise ModelError(f"{where}: found tensor {extra[0]}, which {checkpoint.architecture} does not have")


def refuse_integers(checkpoint: Checkpoint, state: Mapping[str, Tensor]) -> None:
    """Refuse integers that are stored under the name of a weight: they would be cast without a word.

    Args:
        checkpoint: the checkpoint.
        state: the model's tensors by name.

    Raises:
        ModelError: There is such a tensor.
    """
    for file in weight_files(Path(checkpoint.path)):
        for name, (dtype, _) in read_header(file).items():
            if name in state and state[name].is_floating_point() and not dtype.startswith(("F", "BF")):
                raise ModelError(
                    f"{checkpoint.reference} ({checkpoint.path}): expected floating-point numbers in tensor "
                    f"{name}, found {dtype}; use another checkpoint"
                )


def refuse_report(checkpoint: Checkpoint, report: Mapping[str, Any]) -> None:
    """Refuse a model for what transformers reports of its loading.

    Args:
        checkpoint: the checkpoint, for messages.
        report: what ``from_pretrained`` returns as loading information.

    Raises:
        ModelError: A tensor, which is named, is missing, unexpected or of another shape.
    """
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


def without_heads(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a loading report without what is beyond the encoder: a pooler, or a head of any sort."""
    heads = ("pooler.", "cls.", "lm_head.", "classifier.", "vocab_", "qa_outputs.", "score.")
    encoder = {
        side: [name for name in report[side] if not name.startswith(heads) and "position_ids" not in name]
        for side in ("missing_keys", "unexpected_keys")
    }
    return {**report, **encoder}


def without_masking(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a loading report without the vector of masked frames, which only training reads.

    The hub's Wav2Vec2 checkpoints that were fine-tuned lack it.
    """
    missing = [name for name in report["missing_keys"] if not name.endswith("masked_spec_embed")]
    return {**report, "missing_keys": missing}


def without_other_modalities(report: Mapping[str, Any], others: tuple[str, ...]) -> dict[str, Any]:
    """Return a loading report without what a model of several modalities has beside the wanted one.

    The hub's SeamlessM4T reads text, hears and speaks.
    """
    return {**report, "unexpected_keys": [n for n in report["unexpected_keys"] if not n.startswith(others)]}


def refuse_non_finite(checkpoint: Checkpoint, tensors: Iterable[tuple[str, Tensor]], note: str = "") -> None:
    """Refuse values that are not finite.

    Args:
        checkpoint: the checkpoint, for messages.
        tensors: names and tensors.
        note: what the message says after "not finite".

    Raises:
        ModelError: A tensor, which is named, holds such values.
    """
    for name, tensor in tensors:
        if not tensor.is_floating_point() or tensor.dtype in _WITHOUT_NAN:
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
