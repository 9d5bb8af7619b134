"""References of checkpoints that a training kept: ``store:RUN@STEP``, ``node:NAME@-1`` for the last one."""

from __future__ import annotations

from components.errors import ConfigError

TRAINED_HERE = ("node:", "store:")
"""Schemes of models that a run made; behind the ``@`` of others is a revision."""


def split_step(reference: str) -> tuple[str, str]:
    """Split the reference of a checkpoint into that of its model and ``@STEP``, empty without one."""
    if not reference.startswith(TRAINED_HERE):
        return reference, ""
    model, at, step = reference.partition("@")
    return model, at + step


def last_checkpoints(model: str, count: int) -> tuple[str, ...]:
    """Return the references of the last checkpoints that a training kept, the oldest first.

    Args:
        model: ``node:NAME`` or ``store:RUN``.
        count: how many.

    Raises:
        ConfigError: it names no training, or one checkpoint of it.
    """
    if split_step(model)[1] or not model.startswith(TRAINED_HERE):
        raise ConfigError(
            f"checkpoints: expected a model trained here (node:NAME, store:RUN), found {model:.120}"
        )
    return tuple(f"{model}@-{number}" for number in range(count, 0, -1))
