"""The setting ``estimator``: a fitted estimator that a gate or a stop rule uses, as part of a node's plan."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel

from components.confidence.estimators.config import EstimatorConfig
from components.errors import ConfigError
from components.files.digests import file_digest
from components.models.references import split_reference
from components.nodes.facts import Facts

ROLE = "estimator"
LIBRARIES = ("numpy", "lightgbm", "rapidfuzz", "sacrebleu")
"""Distributions whose versions decide features and estimates."""


def table_of(reference: str | None) -> dict[str, str]:
    """Return the node that fits the estimator, by its role, if one of this pipeline does."""
    if reference is None:
        return {}
    scheme, name = split_reference(reference)
    return {ROLE: name} if scheme == "node" else {}


def file_of(reference: str | None) -> dict[str, str]:
    """Return the file of an estimator that is named by its path."""
    from components.confidence.estimators.sources import is_path  # noqa: PLC0415 - when it is used

    return {ROLE: reference} if reference and not table_of(reference) and is_path(reference) else {}


def digest_of(reference: str | None, store: str | None) -> dict[str, str]:
    """Return the digest of an estimator that is packaged or in the store.

    Raises:
        ConfigError: there is none.
    """
    if reference is None or table_of(reference) or file_of(reference):
        return {}
    from components.confidence.estimators.sources import locate_estimator  # noqa: PLC0415 - when it is used

    try:
        return {ROLE: file_digest(locate_estimator(reference, store))}
    except ConfigError as error:
        raise ConfigError(f"{ROLE}: {error}") from None


def with_estimator(facts: Facts, reference: str | None) -> Facts:
    """Return the facts of a node with an estimator, if one is set, whose libraries stand after the others."""
    if reference is None:
        return facts
    libraries = (*facts.libraries, *(name for name in LIBRARIES if name not in facts.libraries))
    return replace(
        facts,
        libraries=libraries,
        tables=table_of(reference),
        files=file_of(reference),
        estimators=(reference,),
        analyses=(*facts.analyses, "confidence"),
    )


def check_features(reference: str | None, maker: BaseModel, texts: int | None) -> None:
    """Refuse the node that fits the estimator where it fits it on features that a proposed text lacks.

    Args:
        reference: the estimator.
        maker: the settings of that node.
        texts: of an utterance, the one that is judged among them; None where nodes gave all that is judged.

    Raises:
        ConfigError: it does.
    """
    from components.refining.judging.fitted_estimates import refuse_features  # noqa: PLC0415 - imports numpy

    assert isinstance(maker, EstimatorConfig)
    if maker.features or texts is not None:
        refuse_features(maker.features or None, str(reference), texts)
