"""Checks of a refinement before its models are loaded: gate, models, languages."""

from __future__ import annotations

from collections.abc import Iterable

from components import models
from components.compute.machine import resolve_device_name
from components.errors import ConfigError
from components.models.architectures import CAUSAL, DELIBERATION, EDIT_DIFFUSION, SERVED
from components.models.references import split_reference
from components.models.sources.served import probe_chat
from components.neural_metrics.quality_metric import bind_quality_metric
from components.refining.config import ESTIMATE, MODEL_GATES, RefineConfig, RoundsConfig
from components.refining.judging import gates
from components.refining.judging.fitted_estimates import check_estimator
from components.refining.self_refine import read_examples
from components.text.languages import UNDETERMINED, two_letters_of
from components.translation.checks import LanguagePair, explain_unsupported, resolve_text_model

ARCHITECTURES = {
    "self_refine": (*CAUSAL, SERVED),
    "deliberation": (DELIBERATION,),
    "diffusion": (EDIT_DIFFUSION,),
}
"""Method -> how the architecture of its model ends, as config.json names it."""


def check(config: RefineConfig, store: str | None, *, transcripts: bool = False) -> None:
    """Refuse settings that cannot work, without fetching a model.

    Args:
        config: the settings.
        store: the store of models.
        transcripts: whether transcripts are refined, which have no source text.

    Raises:
        ConfigError, ModelError, StoreError: what is wrong, and what to do.
    """
    check_gate(config, store, transcripts=transcripts)
    if transcripts and config.method != "self_refine":
        raise ConfigError(
            f"method {config.method}: expected a translation, whose source it reads, found a transcript; "
            "self_refine needs none"
        )
    models.check(config.model, store, served=config.method == "self_refine")


def check_gate(
    config: RoundsConfig, store: str | None, *, transcripts: bool = False, texts: int | None = 1
) -> None:
    """Check the gate, which refinement, loops and fusing have in common.

    Args:
        config: the settings.
        store: the store of models and estimators.
        transcripts: whether transcripts are judged, which have no source text.
        texts: of an utterance, the one that is judged among them; None where nodes gave all that is judged.

    Raises:
        ConfigError, ModelError, StoreError: what is wrong, and what to do.
    """
    gates.check(config)
    if config.uses_estimates and config.estimator is None and texts is not None:
        what = "gate: estimate" if config.gate == ESTIMATE else "stop_estimate"
        raise ConfigError(
            f"estimator: expected a fitted one for {what}, such as store:RUN of `run estimator`, found none"
        )
    if config.estimator is not None and split_reference(config.estimator)[0] != "node":
        check_estimator(config.estimator, config.estimate, store, transcripts=transcripts, texts=texts)
    if transcripts and config.gate in gates.SOURCE_GATES:
        raise ConfigError(
            f"gate {config.gate}: expected a translation, which it compares with its source text, found a "
            "transcript; fluency, reference_chrf and off need none"
        )
    resolve_device_name(config.device)
    if config.gate in MODEL_GATES:
        models.check(config.gate_model, store, served=config.gate == "quality_estimation")


def validate_models(config: RefineConfig, store: str | None, pairs: Iterable[LanguagePair]) -> None:
    """Refuse fetched models that cannot refine or judge texts of ``pairs``: ConfigError."""
    language_pairs = list(pairs)
    checkpoint = models.resolve(config.model, store)
    if not checkpoint.architecture.endswith(ARCHITECTURES[config.method]):
        expected = (
            "a causal language model" if config.method == "self_refine" else f"one of kind {config.method}"
        )
        raise ConfigError(
            f"model: expected {expected} for method {config.method}, found {config.model} "
            f"({checkpoint.architecture})"
        )
    if checkpoint.architecture == SERVED:
        probe_chat(config.model)
    elif config.method == "self_refine":
        for source, target in language_pairs:
            if source != UNDETERMINED:
                read_examples(two_letters_of(source), two_letters_of(target or UNDETERMINED))
    validate_gate_model(config, store, language_pairs)


def validate_gate_model(config: RoundsConfig, store: str | None, pairs: Iterable[LanguagePair]) -> None:
    """Refuse a fetched gate model that cannot judge texts of ``pairs``: ConfigError."""
    if config.gate == "quality_estimation":
        bind_quality_metric(config.gate_model, store, config.device)
    elif config.gate in MODEL_GATES:
        try:
            validate_text_estimator(config.gate, config.gate_model, store, pairs)
        except ConfigError as error:
            raise ConfigError(f"gate_model: {error}") from error


def validate_text_estimator(
    name: str, reference: str, store: str | None, pairs: Iterable[LanguagePair]
) -> None:
    """Refuse a model, fetched first, that cannot give an estimate of texts of ``pairs``.

    Args:
        name: a row of :data:`.text_estimators.TEXT_ESTIMATORS`.
        reference: the model.
        store: the store of models.
        pairs: source and target languages of the texts.

    Raises:
        ConfigError: it is of another architecture, or knows none of the languages.
    """
    checkpoint = resolve_text_model(reference, store)
    causal = checkpoint.architecture.endswith(CAUSAL)
    if name == "fluency":
        expected = None if causal else "a causal language model"
    else:
        expected = "a translation model" if causal and name != "round_trip" else None
    if expected:
        raise ConfigError(f"expected {expected} for {name}, found {reference} ({checkpoint.architecture})")
    if name == "fluency":
        return
    if name == "round_trip":
        pairs = [(target or UNDETERMINED, source) for source, target in pairs]
    fault = explain_unsupported(checkpoint, pairs)
    if fault is not None:
        raise ConfigError(f"{reference}: {fault}")
