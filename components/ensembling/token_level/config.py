"""Settings of token-level ensembles: who the members are and how their distributions become one.

Flat, described and bounded, because Prefect's UI makes its form of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.errors import ConfigError
from components.recognition.config import RecognitionConfig
from components.translation.config import TranslationConfig

TRANSLATION_VERSION = 2
"""Part of the key of an ensemble of translators: changes when the same settings give other outputs."""
SHARING_VERSION = 2
"""Beside it, that of mixing over the union or intersection of vocabularies."""
RECOGNITION_VERSION = 1
"""The same of ensembles of recognizers."""
DROPOUT_PREFIX = "dropout:"
"""Before a model reference: that model with Monte-Carlo dropout; every occurrence draws masks of its own."""
COEFFICIENTS_FILE = "coefficients.json"
"""File, in the folder of a ``mixture_weights`` node, that holds what was learned."""
Filter = Literal["before", "after"]
"""Whether implausible tokens are removed by the core model's probability, or by the mixture's."""
Combination = Literal["linear", "log_linear"]
"""Ways to interpolate distributions: rows of :data:`.combiners.COMBINATIONS`."""


class MixingConfig(BaseModel):
    """How the distributions of several members become one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["linear", "log_linear", "negative_evidence", "output_level"] = Field(
        "linear",
        title="Method",
        description="linear = weighted mean of probabilities (OR); log_linear = weighted product (AND); "
        "negative_evidence = model x (positive / negative) ** strength; output_level = each decodes alone, "
        "then their finished texts are combined",
    )
    coefficients: tuple[float, ...] = Field(
        (),
        title="Coefficients",
        description="one per member, in their order; empty = equal, or learned",
    )
    learn: Literal["nothing", "constants", "gate"] = Field(
        "nothing",
        title="Learn",
        description="on the development set, before decoding: constants = one coefficient per member; "
        "gate = coefficients for every token by a small network (linear only)",
    )
    top_k: int | None = Field(
        None, title="Members per step", ge=1, le=64, description="gate: members run per step; empty = all"
    )
    vocabulary: Literal["same", "intersection", "union", "text"] = Field(
        "same",
        title="Vocabularies",
        description="members of different tokenizers: same = refuse them; intersection = mix the pieces that "
        "all have; union = the pieces that any has (linear and log_linear); text = every member writes in "
        "its own pieces, and they agree on the text (log_linear)",
    )
    dev: str = Field(
        "multi30k:val",
        title="Development data",
        description="parallel text that coefficients and the strength are learned on; never a test set",
    )
    dev_sentences: int = Field(
        100, title="Development sentences", ge=10, le=10_000, description="the first so many of them"
    )
    positive: str | None = Field(
        None, title="Positive model", description="negative_evidence: language model of what is wanted"
    )
    negative: str | None = Field(
        None, title="Negative model", description="negative_evidence: language model of what is not wanted"
    )
    strength: float = Field(
        0.3, title="Strength", ge=0.0, le=10.0, description="negative_evidence: 0 = the model alone"
    )
    plausibility: float | None = Field(
        None,
        title="Plausibility",
        ge=0.0,
        le=1.0,
        description="negative_evidence: only tokens of this share of the best one's probability; empty = all",
    )
    filter: Filter = Field(
        "before",
        title="Filter",
        description="negative_evidence: plausibility by the model itself (before) or by the mixture (after)",
    )


def split_devices(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings in which ``members`` are references, and their devices, if there are any, ``member_devices``.

    Raises:
        ValueError: a member has other keys than model and device, or devices are in both places.
    """
    members = values.get("members")
    if not isinstance(members, Sequence) or not any(isinstance(member, Mapping) for member in members):
        return values
    if values.get("member_devices"):
        raise ValueError("expected devices in members or in member_devices, found both")
    rows = [member if isinstance(member, Mapping) else {"model": member} for member in members]
    for row in rows:
        if not {"model"} <= set(row) <= {"model", "device"}:
            raise ValueError(f"members: expected model and device, found {', '.join(map(str, row))}")
    devices = [row.get("device", "") for row in rows]
    return {**values, "members": [row["model"] for row in rows], "member_devices": devices}


class MemberDevices(BaseModel):
    """Where the members of an ensemble compute; in a file also ``members: [{model: ..., device: ...}]``."""

    member_devices: tuple[str, ...] = Field(
        (),
        title="Members' devices",
        description="where each of members computes, as cuda:1; an empty one, or none at all: on device",
    )

    @model_validator(mode="before")
    @classmethod
    def _split_members(cls, values: Any) -> Any:
        return split_devices(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        count = len(getattr(self, "members", ()))
        if self.member_devices and len(self.member_devices) != count:
            raise ValueError(
                f"member_devices: expected one for each of {count} members, found {len(self.member_devices)}"
            )
        return self

    def devices_after(self, count: int) -> tuple[str, ...]:
        """The devices of ``count`` models on ``device`` and of the members; none where none is set."""
        return (*("",) * count, *self.member_devices) if self.member_devices else ()

    def for_member(self, index: int) -> Self:
        """The settings of a member: with its device, if it has one of its own."""
        device = self.member_devices[index] if index < len(self.member_devices) else ""
        return self.model_copy(update={"device": device}) if device else self


class TranslatorMembers(MemberDevices, TranslationConfig):
    """The search settings that all translators of an ensemble share, and the translators."""

    keyed_when_set: ClassVar[tuple[str, ...]] = (*TranslationConfig.keyed_when_set, "member_devices")

    members: tuple[str, ...] = Field(
        (),
        title="Further members",
        description="models beside the first: store:KEY, store:KEY@STEP, hub:, packaged:, or a path",
    )
    dropout_members: int = Field(
        0,
        ge=0,
        le=16,
        title="Dropout members",
        description="Monte-Carlo dropout: the first model so many times with dropout on, in place of it",
    )

    @property
    def references(self) -> tuple[str, ...]:
        """Every translator in its order; those with dropout begin with :data:`DROPOUT_PREFIX`."""
        first = (DROPOUT_PREFIX + self.model,) * self.dropout_members or (self.model,)
        return (*first, *self.members)


class EnsembleConfig(MemberDevices, TranslationConfig):
    """An ensemble of translators: the settings of the search, the members in order, how they are mixed."""

    members: tuple[str, ...]
    mixing: MixingConfig


class RecognizerEnsembleConfig(MemberDevices, RecognitionConfig):
    """An ensemble of recognizers: the settings of the search, the members in order, how they are mixed."""

    members: tuple[str, ...] = Field(min_length=1)
    combination: Combination = "linear"
    coefficients: tuple[float, ...] = ()


def list_members(references: Sequence[str], mixing: MixingConfig) -> list[str]:
    """Every model of an ensemble of translators, in the order in which its combiner counts them.

    Args:
        references: model references of the translators.
        mixing: how they are mixed; names the positive and negative language model of negative evidence.

    Raises:
        ConfigError: the method takes another number of models, or another vocabulary.
    """
    if mixing.vocabulary != "same" and (mixing.method == "negative_evidence" or mixing.learn != "nothing"):
        raise ConfigError(
            f"combine.vocabulary {mixing.vocabulary}: expected linear or log_linear with given or equal "
            f"coefficients, found {mixing.method} with learn={mixing.learn}: give them, or set "
            "combine.method: output_level"
        )
    if mixing.vocabulary == "text":
        _require_product(mixing)
    if mixing.method != "negative_evidence":
        if len(references) < 2 and not references[0].startswith(DROPOUT_PREFIX):
            raise ConfigError(f"expected at least two members to mix, found {len(references)}: name more")
        return list(references)
    if mixing.positive is None or mixing.negative is None or len(references) != 1:
        missing = [name for name in ("positive", "negative") if getattr(mixing, name) is None]
        problem = f"no {' and no '.join(missing)}" if missing else f"{len(references)} translators"
        raise ConfigError(
            f"negative_evidence: expected one translator, a positive and a negative model, found {problem}"
        )
    return [references[0], mixing.positive, mixing.negative]


def _require_product(mixing: MixingConfig) -> None:
    """Refuse a mixture of texts that is no product of experts."""
    if mixing.method != "log_linear":
        raise ConfigError(
            "combine.vocabulary text: expected combine.method log_linear (members of different tokenizers "
            f"have no tokens in common whose probabilities could be averaged), found {mixing.method}: set it"
        )
    coefficients = mixing.coefficients
    if any(c < 0 for c in coefficients) or (coefficients and abs(sum(coefficients) - 1) > 1e-4):
        raise ConfigError(
            "combine.vocabulary text: expected coefficients of at least 0 that sum to 1, found "
            f"{coefficients}"
        )
