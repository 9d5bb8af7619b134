"""A student's layers are its teacher's."""

from __future__ import annotations

import pytest
import torch

from components.errors import ModelError
from components.training.config import TrainingConfig
from components.training.marian_model import build_marian
from components.training.students.student_init import copy_layers, evenly_spaced


@pytest.mark.parametrize(
    ("fewer", "many", "wanted"),
    [
        (1, 3, [0]),
        (2, 3, [0, 2]),
        (3, 3, [0, 1, 2]),
        (2, 12, [0, 11]),
        (3, 12, [0, 6, 11]),
        (4, 12, [0, 4, 7, 11]),
    ],
)
def test_layers_are_spread(fewer: int, many: int, wanted: list[int]) -> None:
    assert evenly_spaced(fewer, many) == wanted


def small(**changes: int) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {"vocab_size": 64, "d_model": 16, "ffn_dim": 24, "num_heads": 2, **changes}
    )


def test_everything_is_copied_from_where_it_should_be() -> None:
    teacher, student = (
        build_marian(small(num_layers=3, seed=1), 64),
        build_marian(small(num_layers=2, decoder_layers=1, seed=2), 64),
    )
    copy_layers(student, teacher, "the teacher")
    mine, theirs = student.state_dict(), teacher.state_dict()
    for own, other in {
        "model.shared.weight": "model.shared.weight",
        "model.encoder.layers.1.fc1.weight": "model.encoder.layers.2.fc1.weight",
        "model.decoder.layers.0.encoder_attn.k_proj.bias": "model.decoder.layers.0.encoder_attn.k_proj.bias",
        "lm_head.weight": "model.shared.weight",
    }.items():
        assert torch.equal(mine[own], theirs[other]), own
    ids = torch.tensor([[5, 6, 0]])
    same = build_marian(small(num_layers=3, seed=9), 64)
    copy_layers(same, teacher, "the teacher")
    with torch.no_grad():
        outputs = [m.eval()(input_ids=ids, decoder_input_ids=ids).logits for m in (teacher, same)]
    assert torch.equal(*outputs)


def test_another_shape_is_refused_by_the_tensor_s_name() -> None:
    teacher = build_marian(small(num_layers=2), 64)
    with pytest.raises(ModelError, match=r"the teacher: expected tensor model\.\S+ \[\d+, 32\]"):
        copy_layers(build_marian(small(num_layers=1, d_model=32), 64), teacher, "the teacher")
    with pytest.raises(ModelError, match="at least 3 layers, found 2"):
        copy_layers(build_marian(small(num_layers=3), 64), teacher, "the teacher")


def test_other_heads_are_refused_though_all_shapes_are_the_same() -> None:
    teacher = build_marian(small(num_layers=2), 64)
    with pytest.raises(
        ModelError, match="expected a teacher with encoder_attention_heads 4 as the student's"
    ):
        copy_layers(build_marian(small(num_layers=1, num_heads=4), 64), teacher, "the teacher")
