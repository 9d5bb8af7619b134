"""``train``: a model from data: a translator, a language model, a refiner, or a fine-tuned recognizer."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import AliasChoices, ConfigDict, Field
from typing_extensions import override

from components.nodes.node_context import NodeContext
from components.stage_settings import key_values
from components.training.config import LearnerName
from components.training.kinds.model_kind import TrainingKind
from components.training.meta_config import MetaConfig

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

    @property
    def extra_libraries(self) -> tuple[str, ...]:
        """PEFT's, where adapters are trained."""
        return () if self.lora is None else ("peft",)


class Train(TrainingKind[TrainSettings]):
    """Trains a translator, a language model, a refiner or initial weights, or fine-tunes a recognizer."""

    name = "train"
    summary = "data -> a model: translator, language model, refiner, fine-tuned Whisper, initial weights"
    settings = TrainSettings

    @override
    def digests(self, settings: TrainSettings, context: NodeContext) -> dict[str, str]:
        """Return the digests of training and development data, of meta-learning those of every task, too."""
        from components import data  # noqa: PLC0415 - decodes audio

        digests = super().digests(settings, context)
        for number, task in enumerate(settings.tasks, 1):
            read = partial(
                data.load, source_language=task.source_language, target_language=task.target_language
            )
            digests[f"task{number}"] = read(task.data, limit=task.limit).digest
            digests[f"task{number} dev"] = read(str(task.dev)).digest
        return digests

    def learner(self, settings: TrainSettings) -> Any:
        """Return the learner that is set."""
        from components.training.kinds.learners import LEARNERS  # noqa: PLC0415 - imports torch

        return LEARNERS[settings.kind]
