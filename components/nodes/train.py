"""``train``: a model from parallel text: a translator, a language model or a refiner."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, ConfigDict, Field

from components.nodes.kind import Site
from components.nodes.model_kind import TrainingKind
from components.training.config import TrainingConfig

REFINERS = {
    "deliberation": {"num_drafts", "first_pass_loss_weight"},
    "edit_diffusion": {"diffusion_steps"},
}
"""Learners of refiners -> the settings that only they have."""


class TrainSettings(TrainingConfig):
    """Settings of one training; as ``kind`` is the node's, what is trained is its ``learner``."""

    model_config = ConfigDict(validate_by_name=True)

    kind: Literal["translation", "language_model", "deliberation", "edit_diffusion"] = Field(
        "translation",
        validation_alias=AliasChoices("learner", "kind"),
        description="learner: translation, language_model, deliberation or edit_diffusion",
    )


class Train(TrainingKind[TrainSettings]):
    """Trains a translator, a language model or a refiner."""

    name = "train"
    summary = "parallel text -> a model: a translator, a language model or a refiner"
    settings = TrainSettings

    def parameters(self, settings: TrainSettings, site: Site) -> dict[str, Any]:
        """Return the parameters without those that only other learners have."""
        other = {name for kind, names in REFINERS.items() if kind != settings.kind for name in names}
        return {k: v for k, v in super().parameters(settings, site).items() if k not in other}

    def learner(self, settings: TrainSettings) -> Any:
        """Return the learner that is set."""
        from components.nodes.learners import LEARNERS  # noqa: PLC0415 - imports torch

        return LEARNERS[settings.kind]
