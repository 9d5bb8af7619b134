"""``train``: a model from data: a translator, a language model, a refiner, or a fine-tuned recognizer."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, ConfigDict, Field

from components.extensions import Extensions, accept_any
from components.stage_settings import DataSource, key_values, marked_data_sets
from components.training.config import LearnerName
from components.training.kinds.model_kind import TrainingKind
from components.training.meta_config import MetaConfig

LEARNERS: Extensions[Any] = Extensions("antiphon.learners", "learner", accept_any)
"""What can be trained, by ``TrainingConfig.kind``: classes, which import torch."""
REFINERS = {
    "deliberation": {"num_drafts", "first_pass_loss_weight"},
    "edit_diffusion": {"diffusion_steps"},
}
"""Learners of refiners -> the settings that only they have."""


class TrainSettings(MetaConfig):
    """Settings of one training; as ``kind`` is the node's, what is trained is its ``learner``."""

    model_config = ConfigDict(validate_by_name=True)

    kind: LearnerName = Field(
        "translation",
        validation_alias=AliasChoices("learner", "kind"),
        description="learner: translation, language_model, deliberation, edit_diffusion, recognition or meta",
    )

    def key_parameters(self) -> dict[str, Any]:
        """Return the settings without those that only other learners have."""
        other = {name for kind, names in REFINERS.items() if kind != self.kind for name in names}
        if self.lora is None:  # added when there were trainings without it
            other.add("lora")
        values = key_values(self, {*other, "meta"})
        if self.meta is None:
            return values
        return {
            **values,
            "meta": self.meta.model_dump(mode="json", exclude={"tasks": {"__all__": {"data", "dev"}}}),
        }

    def data_sets(self) -> dict[str, DataSource]:
        """Return training and development data, of meta-learning those of every task, too."""
        sets = marked_data_sets(self)
        for number, task in enumerate(self.tasks, 1):
            languages = (task.source_language, task.target_language)
            sets[f"task{number}"] = DataSource(task.data, task.limit, *languages)
            sets[f"task{number} dev"] = DataSource(str(task.dev), None, *languages)
        return sets

    @property
    def version_prefix(self) -> str:
        """Refiners from 2 on: their own layers have the activation of the model that they start from."""
        return ("refiner/2/" if self.kind in REFINERS else "") + super().version_prefix

    @property
    def extra_libraries(self) -> tuple[str, ...]:
        """PEFT's, where adapters are trained."""
        return () if self.lora is None else ("peft",)


class Train(TrainingKind[TrainSettings]):
    """Trains a translator, a language model, a refiner or initial weights, or fine-tunes a recognizer."""

    name = "train"
    summary = "data -> a model: translator, language model, refiner, fine-tuned Whisper, initial weights"
    settings = TrainSettings

    def learner(self, settings: TrainSettings) -> Any:
        """Return the learner that is set."""
        return LEARNERS[settings.kind]
