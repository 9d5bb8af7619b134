"""What a student asks of the models that it imitates: its own vocabulary, and weights that are shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from components.errors import ConfigError
from components.models import resolve
from components.models.checkpoints import read_json
from components.training.students.distillation_config import DistillationConfig

TEXT_ONLY = ", or distil at sequence level, which asks for text only"


def require_weights(weights: Sequence[float], count: int) -> None:
    """Refuse weights of ``count`` teachers that are no shares of a mixture. ConfigError."""
    if len(weights) != count or min(weights, default=-1.0) < 0 or abs(sum(weights) - 1) > 1e-6:
        raise ConfigError(
            f"teacher_weights: expected {count}, one per teacher, of at least 0 that sum to 1, found "
            f"{tuple(weights)}"
        )


def require_students_vocabulary(
    config: DistillationConfig, vocabulary: Mapping[str, int], store: str | None
) -> None:
    """Refuse models of which a student takes distributions or layers, and whose tokens are not its own.

    Args:
        config: the settings.
        vocabulary: token -> id of the student.
        store: the store of models.

    Raises:
        ConfigError: which model, and what to do.
    """
    layers = (config.init_layers_from,) if config.init_layers_from else ()
    for setting, reference in (
        *(("init_layers_from", name) for name in layers),
        *(("teachers", name) for name in config.teachers),
    ):
        file = Path(resolve(reference, store).path) / "vocab.json"
        tokens = read_json(file) if file.is_file() else {}
        if tokens != vocabulary:
            raise ConfigError(
                f"{setting}: expected {reference} to have the student's vocabulary of {len(vocabulary):,} "
                f"tokens, found another one; set the student's tokenizer to {reference}"
                f"{TEXT_ONLY if setting == 'teachers' else ''}"
            )
