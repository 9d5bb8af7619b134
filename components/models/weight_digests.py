"""Digests of the models that a stage computes with, as its plan lists them under ``weights``."""

from __future__ import annotations

from collections.abc import Mapping

from components import models
from components.records import Checkpoint


def resolve_weight_digests(named: Mapping[str, str], store_url: str | None) -> dict[str, str]:
    """Resolve models by role and digest them; nothing is loaded.

    Args:
        named: model references by role, as ``model`` or ``draft``.
        store_url: the store that ``store:KEY`` refers to.

    Returns:
        As :func:`digest_weights`.

    Raises:
        ModelError: A model cannot be resolved.
    """
    return digest_weights(**{role: models.resolve(name, store_url) for role, name in named.items()})


def digest_weights(**checkpoints: Checkpoint) -> dict[str, str]:
    """Digest models by role: ``ROLE`` for its files, ``ROLE.tokenizer`` for its tokenizer's."""
    digests: dict[str, str] = {}
    for name, checkpoint in checkpoints.items():
        digests[name] = checkpoint.sha256
        if checkpoint.tokenizer_sha256 is not None:
            digests[f"{name}.tokenizer"] = checkpoint.tokenizer_sha256
    return digests
