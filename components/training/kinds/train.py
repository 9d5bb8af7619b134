"""``train``: a model from data: a translator, a language model, a refiner, or a fine-tuned recognizer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import AliasChoices, ConfigDict, Field
from typing_extensions import override

from components.nodes.facts import Facts
from components.nodes.site import Site
from components.training.fine_tuning_config import FineTuningConfig
from components.training.kinds.model_kind import TrainingKind

REFINERS = {
    "deliberation": {"num_drafts", "first_pass_loss_weight"},
    "edit_diffusion": {"diffusion_steps"},
}
"""Learners of refiners -> the settings that only they have."""


class TrainSettings(FineTuningConfig):
    """Settings of one training; as ``kind`` is the node's, what is trained is its ``learner``."""

    model_config = ConfigDict(validate_by_name=True)

    kind: Literal["translation", "language_model", "deliberation", "edit_diffusion", "recognition"] = Field(
        "translation",
        validation_alias=AliasChoices("learner", "kind"),
        description="learner: translation, language_model, deliberation, edit_diffusion or recognition",
    )


class Train(TrainingKind[TrainSettings]):
    """Trains a translator, a language model or a refiner, or fine-tunes a recognizer."""

    name = "train"
    summary = "data -> a model: a translator, a language model, a refiner or a fine-tuned Whisper"
    settings = TrainSettings

    @override
    def facts(self, settings: TrainSettings) -> Facts:
        facts = super().facts(settings)
        return facts if settings.lora is None else replace(facts, libraries=(*facts.libraries, "peft"))

    @override
    def parameters(self, settings: TrainSettings, site: Site) -> dict[str, Any]:
        """Return the parameters without those that only other learners have."""
        other = {name for kind, names in REFINERS.items() if kind != settings.kind for name in names}
        if settings.lora is None:  # added when there were trainings without it
            other.add("lora")
        return {k: v for k, v in super().parameters(settings, site).items() if k not in other}

    def learner(self, settings: TrainSettings) -> Any:
        """Return the learner that is set."""
        from components.training.kinds.learners import LEARNERS  # noqa: PLC0415 - imports torch

        return LEARNERS[settings.kind]
