"""What is refused of a refinement before its models are loaded: its gate, its models, its languages."""

from __future__ import annotations

from collections.abc import Iterable

from components import models
from components.data import UNKNOWN_LANGUAGE
from components.device import pick_device
from components.errors import ConfigError
from components.languages import base_of
from components.models.architectures import CAUSAL, DELIBERATION, EDIT_DIFFUSION
from components.records import Checkpoint
from components.refining import gates
from components.refining.config import MODELLED, RefineConfig, RoundsConfig
from components.refining.selfrefine import examples
from components.translation.checks import Pair, text_model, unsupported

ARCHITECTURES = {"self_refine": CAUSAL, "deliberation": (DELIBERATION,), "diffusion": (EDIT_DIFFUSION,)}
"""Method -> how the architecture of its model ends."""


def check(config: RefineConfig, store: str | None, *, transcripts: bool = False) -> None:
    """Refuse what can be refused without fetching a model. ConfigError, ModelError, StoreError.

    ``transcripts``: what is refined was recognized, and has no source text.
    """
    check_gate(config, store, transcripts=transcripts)
    if transcripts and config.method != "self_refine":
        raise ConfigError(
            f"method {config.method}: expected a translation, whose source it reads, found a transcript; "
            "self_refine needs none"
        )
    models.check(config.model, store)


def check_gate(config: RoundsConfig, store: str | None, *, transcripts: bool = False) -> None:
    """The part of it that every kind of rounds has."""
    gates.check(config)
    if transcripts and config.gate in gates.SOURCED:
        raise ConfigError(
            f"gate {config.gate}: expected a translation, which it compares with its source text, found a "
            "transcript; fluency, reference_chrf and off need none"
        )
    pick_device(config.device)
    if config.gate in MODELLED:
        models.check(config.gate_model, store)


def admit(config: RefineConfig, store: str | None, pairs: Iterable[Pair]) -> None:
    """Refuse, by their files (fetched first), models that cannot refine or judge texts of ``pairs``."""
    known = list(pairs)
    checkpoint = models.resolve(config.model, store)
    if not checkpoint.architecture.endswith(ARCHITECTURES[config.method]):
        wanted = (
            "a causal language model" if config.method == "self_refine" else f"one of kind {config.method}"
        )
        raise ConfigError(
            f"model: expected {wanted} for method {config.method}, found {config.model} "
            f"({checkpoint.architecture})"
        )
    if config.method == "self_refine":
        for source, target in known:
            if source != UNKNOWN_LANGUAGE:
                examples(base_of(source), base_of(target or UNKNOWN_LANGUAGE))
    admit_gate(config, store, known)


def admit_gate(config: RoundsConfig, store: str | None, pairs: Iterable[Pair]) -> None:
    """The part of it that every kind of rounds has."""
    if config.gate in MODELLED:
        _admit_gate(config, text_model(config.gate_model, store), list(pairs))


def _admit_gate(config: RoundsConfig, checkpoint: Checkpoint, pairs: list[Pair]) -> None:
    causal = checkpoint.architecture.endswith(CAUSAL)
    if config.gate == "fluency":
        wanted = None if causal else "a causal language model"
    else:
        wanted = "a translation model" if causal and config.gate == "forward" else None
    if wanted:
        raise ConfigError(f"gate_model: expected {wanted} for gate {config.gate}, found {config.gate_model}")
    if config.gate == "round_trip":
        pairs = [(target or UNKNOWN_LANGUAGE, source) for source, target in pairs]
    fault = None if config.gate == "fluency" else unsupported(checkpoint, pairs)
    if fault is not None:
        raise ConfigError(f"gate_model: {config.gate_model}: {fault}")
