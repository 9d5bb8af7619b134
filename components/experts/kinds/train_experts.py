"""``train_experts``: one translator with experts from parallel text of several languages."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from components.experts.config import ExpertsConfig
from components.nodes.node_context import NodeContext
from components.training.kinds.model_kind import TrainingKind


class TrainExperts(TrainingKind[ExpertsConfig]):
    """Trains a translator with experts, or upcycles a dense one and trains it on."""

    name = "train_experts"
    summary = "parallel text of several languages -> one translator with experts"
    settings = ExpertsConfig

    @override
    def check(self, settings: ExpertsConfig, context: NodeContext) -> None:
        """Check the training of every language."""
        from components.experts import checks  # noqa: PLC0415 - imports torch

        checks.check(settings, context.store)

    def learner(self, settings: ExpertsConfig) -> Any:
        """Return the learner of all languages at once."""
        from components.experts.multilingual_learner import MultilingualLearner  # noqa: PLC0415 - imports torch

        return MultilingualLearner
