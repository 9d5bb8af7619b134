"""``train``: a model from data: a translator, a language model, a refiner, or a fine-tuned recognizer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, ConfigDict, Field

from components.stage_settings import key_values
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

    def key_parameters(self) -> dict[str, Any]:
        """Return the settings without those that only other learners have."""
        other = {name for kind, names in REFINERS.items() if kind != self.kind for name in names}
        if self.lora is None:  # added when there were trainings without it
            other.add("lora")
        return key_values(self, other)

    @property
    def extra_libraries(self) -> tuple[str, ...]:
        """PEFT's, where adapters are trained."""
        return () if self.lora is None else ("peft",)


class Train(TrainingKind[TrainSettings]):
    """Trains a translator, a language model or a refiner, or fine-tunes a recognizer."""

    name = "train"
    summary = "data -> a model: a translator, a language model, a refiner or a fine-tuned Whisper"
    settings = TrainSettings

    def learner(self, settings: TrainSettings) -> Any:
        """Return the learner that is set."""
        from components.training.kinds.learners import LEARNERS  # noqa: PLC0415 - imports torch

        return LEARNERS[settings.kind]
