"""``distill``: a small student model from a teacher of any kind.

With ``of: NODE`` the student learns what that node gave for the training data (sequence level), whatever the
node is; ``teachers`` are models whose distributions it imitates word by word.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from components.nodes.kind import Site
from components.nodes.model_kind import TrainingKind
from components.nodes.targets import TARGETS, TargetsSettings
from components.nodes.train import REFINERS
from components.run_record import StageRef
from components.storage.whole_stage import Product
from components.training.config import DistillationConfig


class DistillSettings(DistillationConfig):
    """Shape and training of a student, and its teachers."""

    kind: Literal["translation"] = "translation"
    targets: str | None = Field(
        None, description="node of kind targets, whose data set takes the place of data; of: NODE makes one"
    )


class Distill(TrainingKind[DistillSettings]):
    """Trains a student on its teachers' translations, or on their distributions."""

    name = "distill"
    summary = "translations of training data, or models -> one small student"
    settings = DistillSettings

    def models(self, settings: DistillSettings) -> dict[str, str]:
        """Return what the student starts from, and the teachers of the word level."""
        teachers = {f"teacher{n}": name for n, name in enumerate(settings.teachers)}
        layers = {"init_layers_from": settings.init_layers_from} if settings.init_layers_from else {}
        return {**super().models(settings), **teachers, **layers}

    def tables(self, settings: DistillSettings) -> dict[str, str]:
        """Return the node of the targets."""
        return {"targets": settings.targets} if settings.targets else {}

    def digests(self, settings: DistillSettings, site: Site) -> dict[str, str]:
        """Return the digests of the data that are read; targets stand in the plan by their stage."""
        digests = {"dev": self.data_digest(settings, settings.dev)}
        if settings.targets is None:
            digests["data"] = self.data_digest(settings, settings.data, settings.limit)
        return digests

    def parameters(self, settings: DistillSettings, site: Site) -> dict[str, Any]:
        """Return the parameters without those of other learners, and without models."""
        left_out = {"teachers", "init_layers_from", "targets"} | set().union(*REFINERS.values())
        return {k: v for k, v in super().parameters(settings, site).items() if k not in left_out}

    def check(self, settings: DistillSettings, site: Site) -> None:
        """Check what every training checks, and the teachers' names."""
        from components.training import checks  # noqa: PLC0415 - imports torch

        checks.check_distillation(_with_data(settings, settings.dev), site.store)

    def learner(self, settings: DistillSettings) -> Any:
        """Return the learner with the teachers' loss."""
        from components.training.distillation import DistillationLearner  # noqa: PLC0415 - imports torch

        return DistillationLearner

    def make(
        self, settings: DistillSettings, site: Site, read: Mapping[str, StageRef], folder: Path
    ) -> Product:
        """Train, on the targets where there are any."""
        if settings.targets is not None:
            settings = _with_data(settings, str(Path(site.tables["targets"].path) / TARGETS))
        return super().make(settings, site, read, folder)

    def expand(self, name: str, values: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
        """With ``of``: return the node that makes the targets, and the training on them."""
        if "of" not in values:
            return None
        values = dict(values)
        own = {key: values.pop(key) for key in TargetsSettings.model_fields if key in values}
        teacher = {"kind": "targets", "of": values.pop("of"), "choose": "best", **own}
        return {f"{name}-targets": teacher, name: {**values, "targets": f"{name}-targets"}}

    def notes(self, settings: DistillSettings, site: Site, ref: StageRef, data: StageRef | None) -> list[str]:
        """Name the student."""
        return [f"student store:{ref.key}"]


def _with_data(settings: DistillSettings, source: str) -> DistillSettings:
    """Return the settings with another data set in the place of the data, where there are targets."""
    return settings if settings.targets is None else settings.model_copy(update={"data": source})
