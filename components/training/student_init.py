"""A student that begins with some of its teacher's layers (Shleifer & Rush 2020, "shrink and fine-tune")."""

from __future__ import annotations

import re
from typing import Any

import torch

from components.errors import ModelError

_LAYER = re.compile(r"(encoder|decoder)(\.layers\.)(\d+)(\.)")


def evenly_spaced(fewer: int, many: int) -> list[int]:
    """``fewer`` of ``many`` layers as far apart as they can be, the first among them and, from two on, the
    last. ModelError where there are not so many.
    """
    if fewer > many:
        raise ModelError(
            f"expected a teacher of at least {fewer} layers, found {many}; make the student smaller"
        )
    if fewer == 1:
        return [0]
    return [round(i * (many - 1) / (fewer - 1)) for i in range(fewer)]


def copy_layers(student: Any, teacher: Any, name: str) -> None:
    """Give the student the teacher's embeddings, norms and evenly spaced layers, in place.

    Both are encoder-decoder models of one architecture; ``name`` is the teacher's, for errors. ModelError
    where a tensor is missing or has another shape: widths have to agree, numbers of layers need not.
    """
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
                    f"{name}: expected tensor {teacher_name} {list(weight.shape)} for the student, found {shape}; "
                    "give the student the width, feed-forward width and vocabulary of its teacher"
                )
            weight.copy_(teacher_weight)
