"""``train_experts``: one translator with experts from parallel text of several languages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from typing_extensions import override

from components.experts.config import CAPACITY_VERSION, ONE_LANGUAGE_VERSION, VERSION, ExpertsConfig
from components.nodes.facts import Facts
from components.nodes.node_context import NodeContext
from components.training.kinds.model_kind import TrainingKind


class TrainExperts(TrainingKind[ExpertsConfig]):
    """Trains a translator with experts, or upcycles a dense one and trains it on."""

    name = "train_experts"
    summary = "parallel text of several languages -> one translator with experts"
    settings = ExpertsConfig

    @override
    def facts(self, settings: ExpertsConfig) -> Facts:
        facts = super().facts(settings)
        capacity = "" if settings.capacity_factor is None else f"capacity/{CAPACITY_VERSION}/"
        language = f"language/{ONE_LANGUAGE_VERSION}/" if len(settings.targets) == 1 else ""
        return replace(facts, version=f"{VERSION}/{capacity}{language}{facts.version}")

    @override
    def digests(self, settings: ExpertsConfig, context: NodeContext) -> dict[str, str]:
        """Return the digests of every language's data."""
        digests: dict[str, str] = {}
        for target in settings.targets:
            single = super().digests(settings.model_copy(update={"target_language": target}), context)
            digests |= {f"{role}.{target}": digest for role, digest in single.items()}
        return digests

    @override
    def check(self, settings: ExpertsConfig, context: NodeContext) -> None:
        """Check the training of every language."""
        from components.experts import checks  # noqa: PLC0415 - imports torch

        checks.check(settings, context.store)

    def learner(self, settings: ExpertsConfig) -> Any:
        """Return the learner of all languages at once."""
        from components.experts.multilingual_learner import MultilingualLearner  # noqa: PLC0415 - imports torch

        return MultilingualLearner
