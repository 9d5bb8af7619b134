"""Settings of system combination: how the finished outputs of several systems become one.

Flat, described and bounded, because Prefect's UI makes its form of them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from components.metrics.choices import UtilityName
from components.metrics.normalizers import BY_LANGUAGE, NormalizerName
from components.stage_settings import StageSettings

COEFFICIENTS_FILE = "coefficients.json"
"""File, in the folder of a ``tune`` node, that holds the coefficients of reranking."""
SYSTEM_COMBINATION_VERSION = 8
"""Part of a ``combine`` node's key: changes when the same hypotheses and settings give another output."""


class SystemCombinationConfig(StageSettings):
    """How the n-best lists of several systems become one output per utterance."""

    keyed_when_set: ClassVar[tuple[str, ...]] = ("weights_by", "confidence", "mbr")
    method: Literal["rover", "minimum_bayes_risk", "reranking"] = Field(
        "rover",
        title="Method",
        description="rover = vote word by word; minimum_bayes_risk = the candidate most like all others; "
        "reranking = the candidate with the best weighted features",
    )
    weights: tuple[float, ...] = Field(
        (),
        title="Weights",
        description="vote of each system, in their order; empty = equal votes",
    )
    n_best: int = Field(
        5,
        title="Hypotheses per system",
        ge=1,
        le=4096,
        description="best hypotheses of each system that take part; 1 is the classical ROVER",
    )
    scale: float = Field(
        1.0,
        title="Posterior scale",
        ge=0.0,
        le=100.0,
        description="a system's vote is shared out over its hypotheses as probability ** scale; 0 = evenly",
    )
    weights_by: Literal["p_correct", "expected_wer", "p_bad", "expected_chrf"] | None = Field(
        None,
        title="Weights by",
        description="also weigh a system by the estimated quality of its text of an utterance, as kind "
        "estimate has annotated it",
    )
    voting: Literal["frequency", "average", "maximum"] = Field(
        "frequency",
        title="Voting",
        description="rover: by votes alone, or also by the average or the maximum of the word confidences",
    )
    alpha: float = Field(
        0.5,
        title="Alpha",
        ge=0.0,
        le=1.0,
        description="rover: share of the votes in a word's score, the rest is confidence; "
        "unused with voting=frequency",
    )
    confidence: Literal["probability", "calibrated"] = Field(
        "probability",
        title="Confidence",
        description="rover: what the word confidences are. probability = those of the tokens; calibrated = "
        "those of a node of kind estimate, with voting average or maximum and n_best 1",
    )
    null_confidence: float = Field(
        0.7,
        title="Confidence of silence",
        ge=0.0,
        le=1.0,
        description="rover: the confidence of saying no word at a place; unused with voting=frequency",
    )
    normalizer: NormalizerName = Field(
        "none",
        title="Normalizer",
        description="rover: none keeps the words as written (case and punctuation never separate votes); "
        "the others vote on normalized text, so that '6' and 'six' can agree. Error rates as utility count "
        "under it, with none under that of the language",
    )
    utility: UtilityName = Field(
        "chrf",
        title="Utility",
        description="minimum_bayes_risk and reranking: how alike two candidates are; wer for transcripts, or "
        "NAME:MODEL such as comet:hub:Unbabel/wmt22-comet-da (docs/evaluation/metrics.md)",
    )
    mbr: Literal["exact", "aggregated", "pruned"] = Field(
        "exact",
        title="Form of minimum Bayes risk",
        description="minimum_bayes_risk: exact = every candidate with every other; aggregated (chrf, bleu) "
        "= with the average of all, in linear time; pruned = without candidates that more and more others "
        "rule out",
    )
    coefficients: dict[str, float] = Field(
        default={},
        title="Coefficients",
        description="reranking: weight of each feature, learned on development data (never on test)",
    )
    language_model: str | None = Field(
        None,
        title="Language model",
        description="reranking: reference of a causal language model whose log-probability is the feature lm",
    )

    @property
    def utility_normalizer(self) -> str:
        """The normalizer under which an error rate is a utility or the objective of tuning."""
        return BY_LANGUAGE if self.normalizer == "none" else self.normalizer

    def key_parameters(self) -> dict[str, Any]:
        """Return the settings as keys have them, with the normalizer of a utility."""
        values = self.settings_for_key(set())
        if self.method != "rover" and self.utility in ("wer", "cer") and self.normalizer != "none":
            values["utility_normalizer"] = self.normalizer
        return values
