"""Digests of the models that a stage computes with, as they stand in its plan."""

from __future__ import annotations

from collections.abc import Mapping

from components import models
from components.records import Checkpoint


def resolve_weight_digests(named: Mapping[str, str], store_url: str | None) -> dict[str, str]:
    """``weights`` of the models with these references, by role. Resolves them, loads nothing."""
    return digest_weights(**{role: models.resolve(name, store_url) for role, name in named.items()})


def digest_weights(**checkpoints: Checkpoint) -> dict[str, str]:
    """``weights`` of a stage: the digests of each model's files and of its tokenizer."""
    digests: dict[str, str] = {}
    for name, checkpoint in checkpoints.items():
        digests[name] = checkpoint.sha256
        if checkpoint.tokenizer_sha256 is not None:
            digests[f"{name}.tokenizer"] = checkpoint.tokenizer_sha256
    return digests
