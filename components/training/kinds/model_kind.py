"""Base classes of the kinds of nodes that make a model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import override

from components.nodes.facts import Facts, Mode
from components.nodes.kind import Kind, S
from components.nodes.node_context import LanguagePairs, NodeContext
from components.run_record import StageRef
from components.storage.stages.whole_stage import StageFiles
from components.training.config import INITIAL_MODEL_VERSION, VERSION, TrainingConfig

if TYPE_CHECKING:
    import torch

    from components.training.learners.learner import Learner, MakeLearner

T = TypeVar("T", bound=TrainingConfig)


class ModelKind(Kind[S]):
    """Makes a model from models and data of its own; other nodes use it as ``node:NAME``."""

    reads = ()
    inputs = (0, 0)
    output = "model"
    mode = Mode.WHOLE


class TrainingKind(ModelKind[T]):
    """Makes a model by the training loop."""

    version = str(VERSION)
    libraries = ("torch", "transformers", "sentencepiece", "sacrebleu")

    @override
    def facts(self, settings: T) -> Facts:
        facts = super().facts(settings)
        has_dropout = settings.init_from is not None and settings.kind != "recognition"
        version = f"{VERSION}/from/{INITIAL_MODEL_VERSION}" if has_dropout else facts.version
        libraries = (*facts.libraries, *settings.extra_libraries)
        version = settings.version_prefix + version
        return replace(facts, version=version, libraries=libraries, checkpoints=settings.keep_checkpoints)

    @override
    def check(self, settings: T, context: NodeContext) -> None:
        """Check shapes, languages, files and models' names."""
        from components.training import checks  # noqa: PLC0415 - imports torch

        checks.check(settings, context.store)

    @override
    def validate_models(self, settings: T, context: NodeContext, pairs: LanguagePairs) -> None:
        """Refuse what a training cannot start from, before another node computes."""
        from components.training import checks  # noqa: PLC0415 - imports torch

        checks.check_initial_model(settings, context.store)

    @abstractmethod
    def learner(self, settings: T) -> Any:
        """Return the class of the learner."""

    @override
    def make(
        self, settings: T, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Train, or resume; what the learner has read is verified against the plan."""
        from components.training.examples.training_order import send_order  # noqa: PLC0415 - imports torch
        from components.training.loop.product import make_model, work_folder  # noqa: PLC0415 - imports torch

        send_order(self.name, settings, context.store, work_folder(folder))
        learner = self.learner(settings)
        make = _verify_after_reading(partial(learner, store=context.store), context)
        return make_model(settings, folder, make, learner.score_name, context.progress, context.name)


def _verify_after_reading(make: MakeLearner, context: NodeContext) -> MakeLearner:
    def learner(config: TrainingConfig, out: Path, device: torch.device) -> Learner:
        trained = make(config, out, device)
        context.verify()
        return trained

    return learner
