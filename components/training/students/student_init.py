"""A student that starts with some of its teacher's layers (Shleifer & Rush 2020, "shrink and fine-tune")."""

from __future__ import annotations

import re
from typing import Any

import torch

from components.errors import ModelError

SAME = ("encoder_attention_heads", "decoder_attention_heads", "activation_function", "scale_embedding")
"""What no shape of a tensor tells, but decides what the copied weights compute."""
_LAYER = re.compile(r"(encoder|decoder)(\.layers\.)(\d+)(\.)")


def evenly_spaced(fewer: int, many: int) -> list[int]:
    """Choose ``fewer`` of ``many`` layers, as far apart as possible.

    The first is among them and, from two on, the last.

    Raises:
        ModelError: where there are not so many.
    """
    if fewer > many:
        raise ModelError(
            f"expected a teacher of at least {fewer} layers, found {many}; make the student smaller"
        )
    if fewer == 1:
        return [0]
    return [round(i * (many - 1) / (fewer - 1)) for i in range(fewer)]


def copy_layers(student: Any, teacher: Any, name: str) -> None:
    """Copy the teacher's embeddings, norms and evenly spaced layers into the student.

    Args:
        student: an encoder-decoder model, changed in place.
        teacher: a model of the same architecture and widths, with as many layers or more.
        name: the teacher's name, for errors.

    Raises:
        ModelError: where a tensor is missing or has another shape, or the weights would compute something
            else.
    """
    for field in SAME:
        own, other = (getattr(model.config, field) for model in (student, teacher))
        if own != other:
            raise ModelError(
                f"{name}: expected a teacher with {field} {own} as the student's, found {other}; give the "
                "student the num_heads of its teacher, or name another teacher"
            )
    teacher_layer_of = {
        side: evenly_spaced(
            getattr(student.config, f"{side}_layers"), getattr(teacher.config, f"{side}_layers")
        )
        for side in ("encoder", "decoder")
    }
    teacher_weights = dict(teacher.named_parameters())

    def teacher_layer_name(match: re.Match[str]) -> str:
        side, middle, index, end = match.groups()
        return f"{side}{middle}{teacher_layer_of[side][int(index)]}{end}"

    with torch.no_grad():
        for student_name, weight in student.named_parameters():
            teacher_name = _LAYER.sub(teacher_layer_name, student_name)
            teacher_weight = teacher_weights.get(teacher_name)
            if teacher_weight is None or teacher_weight.shape != weight.shape:
                shape = "none" if teacher_weight is None else list(teacher_weight.shape)
                raise ModelError(
                    f"{name}: expected tensor {teacher_name} {list(weight.shape)} for the student, found "
                    f"{shape}; give the student the d_model, ffn_dim and vocabulary of its teacher"
                )
            weight.copy_(teacher_weight)
