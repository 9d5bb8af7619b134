"""Word-level distillation against sums written as loops."""

from __future__ import annotations

import math

import pytest
import torch

from components.errors import ConfigError
from components.training.students.distillation import kd_loss, mix_distributions


def softmax(row: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def test_the_teacher_is_the_mixture_of_probabilities_not_of_logits() -> None:
    first, second = torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([[0.0, 4.0, -3.0]])
    result = mix_distributions([first, second], (0.25, 0.75)).exp()[0].tolist()
    item, two = softmax(first[0].tolist()), softmax(second[0].tolist())
    assert result == pytest.approx([0.25 * a + 0.75 * b for a, b in zip(item, two, strict=True)], abs=1e-6)
    logits = torch.log_softmax(0.25 * first + 0.75 * second, -1).exp()[0].tolist()
    assert abs(result[1] - logits[1]) > 0.1


def test_a_member_of_weight_zero_is_left_out_whatever_it_says() -> None:
    sane, odd = torch.randn(3, 5), torch.full((3, 5), torch.nan)
    assert torch.equal(mix_distributions([sane, odd], (1.0, 0.0)), torch.log_softmax(sane, -1))


@pytest.mark.parametrize("weights", [(1.0,), (0.5, 0.6), (1.5, -0.5), ()])
def test_weights_that_make_no_mixture_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="expected 2, one per teacher, of at least 0 that sum to 1"):
        mix_distributions([torch.zeros(1, 3), torch.zeros(1, 3)], weights)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_loss_and_gradient_are_those_of_a_plain_loop(temperature: float) -> None:
    torch.manual_seed(0)
    teacher = torch.log_softmax(torch.randn(4, 7, dtype=torch.float64), -1)
    student = torch.randn(4, 7, dtype=torch.float64, requires_grad=True)
    loss = kd_loss(student, teacher, temperature)
    (gradient,) = torch.autograd.grad(loss, student)
    total = 0.0
    for row in range(4):
        p = softmax(teacher[row].tolist(), temperature)
        q = softmax(student[row].tolist(), temperature)
        for word in range(7):
            total += p[word] * (math.log(p[word]) - math.log(q[word]))
            # d KL / d logit = (q - p) / T, times T², over the mean of 4 rows
            assert gradient[row, word].item() == pytest.approx(temperature * (q[word] - p[word]) / 4)
    assert loss.item() == pytest.approx(temperature**2 * total / 4)


def test_words_that_the_teacher_rules_out_weigh_nothing() -> None:
    teacher = torch.tensor([[0.0, -torch.inf, -torch.inf]])
    student = torch.tensor([[1.0, 2.0, 0.5]], requires_grad=True)
    loss = kd_loss(student, teacher)
    assert loss.item() == pytest.approx(-math.log(softmax([1.0, 2.0, 0.5])[0]), rel=1e-6)
    assert torch.autograd.grad(loss, student)[0].isfinite().all()


def test_the_teacher_receives_no_gradient() -> None:
    teacher = torch.log_softmax(torch.randn(2, 3), -1).requires_grad_()
    kd_loss(torch.randn(2, 3, requires_grad=True), teacher).backward()
    assert teacher.grad is None
