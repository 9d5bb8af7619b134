"""``train_experts``: one translator with experts from parallel text of several languages."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from components import data
from components.experts.config import ExpertsConfig
from components.nodes.node_context import NodeContext
from components.text.languages import check_code
from components.training.kinds.model_kind import TrainingKind


class TrainExperts(TrainingKind[ExpertsConfig]):
    """Trains a translator with experts, or upcycles a dense one and trains it on."""

    name = "train_experts"
    summary = "parallel text of several languages -> one translator with experts"
    settings = ExpertsConfig

    @override
    def check(self, settings: ExpertsConfig, context: NodeContext) -> None:
        """Check the training of every language."""
        from components.experts.multilingual import require_targets  # noqa: PLC0415 - imports torch
        from components.training.checks import check_machine  # noqa: PLC0415 - imports torch
        from components.training.parallel.compilation import require_compilable  # noqa: PLC0415 - likewise

        require_targets(settings.targets)
        for target in settings.targets:
            check_code(target)
            for source in (settings.data, settings.dev):
                data.check(source, settings.source_language, target)
        if settings.compile and settings.num_experts:
            require_compilable("experts")  # tokens of an expert differ in every pass
        check_machine(settings, context.store)

    def learner(self, settings: ExpertsConfig) -> Any:
        """Return the learner of all languages at once."""
        from components.experts.multilingual_learner import MultilingualLearner  # noqa: PLC0415 - imports torch

        return MultilingualLearner
