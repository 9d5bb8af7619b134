"""Settings of several models that are searched as one: who computes where, and how their distributions mix.

Flat, described and bounded, because Prefect's UI makes its form of them. What checks and builds an ensemble
comes by the entry-point group ``antiphon.ensembles``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from components.checkpoint_references import last_checkpoints
from components.extensions import Extensions, accept_any
from components.stage_settings import AUTO_MODEL, Settings

ENSEMBLES: Extensions[Any] = Extensions("antiphon.ensembles", "ensembles", accept_any)
"""``recognizers`` and ``translators`` -> what checks and builds their ensembles."""
Filter = Literal["before", "after"]
"""Whether implausible tokens are removed by the core model's probability, or by the mixture's."""
DROPOUT_PREFIX = "dropout:"
"""Before a model reference: that model with Monte-Carlo dropout; every occurrence draws masks of its own."""
Combination = Literal["linear", "log_linear"]
"""Ways to interpolate distributions: rows of :data:`.combiners.COMBINATIONS`."""


class MixingConfig(Settings):
    """How the distributions of several members become one."""

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
    """Split the devices off ``members``: those are references then, beside ``member_devices``, if any.

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


def name_first(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Set ``model`` to the first of ``members``, where members are named and no model beside them.

    Raises:
        ValueError: there is one member alone, or as :func:`split_devices`.
    """
    values = split_devices(values)
    members = values.get("members")
    several = values.get("dropout_members") or values.get("checkpoints")
    if not members or values.get("model") not in (None, AUTO_MODEL) or several:
        return values
    first, *others = members
    if not others:
        raise ValueError(
            "members: expected two or more, or one beside model, found one alone: name it as model"
        )
    named = {**values, "model": first, "members": others}
    if devices := values.get("member_devices"):
        named |= {"member_devices": list(devices)[1:], "device": devices[0] or values.get("device", "auto")}
    return named


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
        """Return the devices of ``count`` models on ``device`` and of the members; none where none is set."""
        return (*("",) * count, *self.member_devices) if self.member_devices else ()

    def for_member(self, index: int) -> Self:
        """Return the settings of a member: with its device, if it has one of its own."""
        device = self.member_devices[index] if index < len(self.member_devices) else ""
        return self.model_copy(update={"device": device}) if device else self


def describe_zero_weights(
    stage: str, names: Sequence[str], weights: Sequence[float], seconds: float
) -> list[str]:
    """Say which members have weight 0 and were never run, and about what that saved.

    Args:
        stage: what to call the node.
        names: of the members.
        weights: one each, or none where all are equal.
        seconds: that the others took, which are taken to cost the same each.
    """
    left_out = [name for name, weight in zip(names, weights, strict=False) if weight == 0]
    if not left_out:
        return []
    saved = seconds * len(left_out) / max(1, len(names) - len(left_out))
    return [
        f"{stage}: {len(left_out)} of {len(names)} members not run, as the weight is 0: "
        f"{', '.join(left_out)}; saved about {saved:.1f} s, if each costs the same"
    ]


class ModelMembers(MemberDevices):
    """Members beside a ``model``, or all there are without one; the first may stand for several.

    These are it with dropout, or checkpoints of its training.
    """

    dropout_members: int = Field(
        0,
        ge=0,
        le=16,
        title="Dropout members",
        description="Monte-Carlo dropout: the first model so many times with dropout on, in place of it",
    )
    checkpoints: int = Field(
        0,
        ge=0,
        le=50,
        title="Checkpoints",
        description="checkpoint ensemble: the last so many checkpoints that the training of the first model "
        "kept (keep_checkpoints), in place of it",
    )

    @model_validator(mode="before")
    @classmethod
    def _first_is_the_model(cls, values: Any) -> Any:
        return name_first(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.dropout_members and self.checkpoints:
            raise ValueError("expected dropout_members or checkpoints, found both")
        mixing = getattr(self, "combine", self)  # where the kind keeps them
        if getattr(mixing, "coefficients", ()) and not self.is_ensemble:
            raise ValueError(
                "coefficients: expected members to mix, found one model: name members, or leave them out"
            )
        return self

    @property
    def first_members(self) -> tuple[str, ...]:
        """The members in the place of the first model; itself without any."""
        model: str = getattr(self, "model", "")
        if self.checkpoints:
            return last_checkpoints(model, self.checkpoints)
        return (DROPOUT_PREFIX + model,) * self.dropout_members or (model,)

    @property
    def references(self) -> tuple[str, ...]:
        """Every model, in the order in which they are mixed; those with dropout begin with ``dropout:``."""
        return (*self.first_members, *getattr(self, "members", ()))

    @property
    def is_ensemble(self) -> bool:
        """Whether several are searched as one, or one with dropout."""
        return self.references != (getattr(self, "model", ""),)
