"""Word-level distillation: a student learns its teachers' distribution at every target word.

Hinton et al. 2015 (temperature), Kim & Rush 2016 (translation). The teacher is the *mixture* of the
teachers' probabilities, ``p = sum_m w_m p_m``, not the mean of their logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.training.learners.translation_learner import TranslationLearner
from components.training.loop import cross_entropy
from components.training.students.distillation_config import DistillationConfig
from components.training.students.student_init import copy_layers
from components.training.students.teachers import require_students_vocabulary, require_weights


def mix_distributions(logits: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Mix several models' distributions; those of weight 0 are left out.

    Args:
        logits: of each model (N, V).
        weights: one per model, at least 0, of sum 1.

    Returns:
        Log-probabilities (N, V) of the mixture, nats.

    Raises:
        ConfigError: where the weights are no such weights.
    """
    require_weights(weights, len(logits))
    total: Tensor | None = None
    for member_logits, weight in zip(logits, weights, strict=True):
        if weight > 0:
            part = torch.log_softmax(member_logits.float(), dim=-1) + float(torch.tensor(weight).log())
            total = part if total is None else torch.logaddexp(total, part)
    assert total is not None
    return total


def kd_loss(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute the distillation loss ``T² · mean KL(p_T || q_T)``.

    Args:
        student: logits (N, V) of N target positions that are not padding.
        teacher: log-probabilities (N, V) at the same positions; they get no gradient.
        temperature: T, which flattens both distributions (``p_T`` is proportional to ``p^(1/T)``); the factor
            T² keeps the gradient's size (Hinton et al., 2015).

    Returns:
        The loss, nats per target word: a float32 scalar (float64 for float64 logits).
    """
    with torch.no_grad():
        teacher_log_probs = torch.log_softmax(_at_least_float32(teacher) / temperature, dim=-1)
    student_log_probs = torch.log_softmax(_at_least_float32(student) / temperature, dim=-1)
    # A word that the teacher rules out (-inf) weighs nothing: 0 · log 0 = 0.
    gap = torch.where(teacher_log_probs == -torch.inf, 0.0, teacher_log_probs) - student_log_probs
    return temperature**2 * (teacher_log_probs.exp() * gap).sum(dim=-1).mean()


def _at_least_float32(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


class DistillationLearner(TranslationLearner):
    """A translation learner whose loss is ``(1 - kd_ratio) · cross-entropy + kd_ratio · kd_loss``."""

    def __init__(
        self, config: DistillationConfig, out: Path, device: torch.device, store: str | None = None
    ) -> None:
        super().__init__(config, out, device, store)
        self._settings = config
        require_students_vocabulary(config, self.tokenizer.get_vocab(), store)
        if config.init_layers_from is not None:
            whole, _ = load_transformers(resolve(config.init_layers_from, store), "seq2seq", device)
            copy_layers(self.model, whole, config.init_layers_from)
        self._teachers = [self._load_teacher(reference, device, store) for reference in config.teachers]
        equal = (1 / len(self._teachers),) * len(self._teachers) if self._teachers else ()
        self._weights = config.teacher_weights or equal

    def _load_teacher(self, reference: str, device: torch.device, store: str | None) -> Any:
        model, _ = load_transformers(resolve(reference, store), "seq2seq", device)
        model.set_attn_implementation("eager" if device.type == "cpu" else "sdpa")
        return model.requires_grad_(False)

    def loss(self, rows: Sequence[int]) -> tuple[Tensor, int]:
        """Compute the mean loss of a batch, nats per target token, and the number of its target tokens."""
        share = self._settings.kd_ratio if self._teachers else 0.0
        batch = self.batch(rows)
        logits, labels = cross_entropy.target_logits(self.model, batch)
        value = functional.cross_entropy(logits, labels, label_smoothing=self.config.label_smoothing)
        if share > 0:
            with torch.no_grad():
                teacher_log_probs = mix_distributions(
                    [cross_entropy.target_logits(t, batch)[0] for t in self._teachers], self._weights
                )
            distillation_loss = kd_loss(logits, teacher_log_probs, self._settings.temperature)
            value = (1 - share) * value + share * distillation_loss
        return value, labels.numel()
