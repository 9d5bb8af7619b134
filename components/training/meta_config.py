"""Settings of meta-learning: the tasks, each a data set, and the method."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.stage_settings import Settings
from components.training.fine_tuning_config import FineTuningConfig


class MetaTask(Settings):
    """One task: pairs to learn from, in one direction or of one domain."""

    data: str = Field(
        min_length=1, description="parallel text: multi30k:SPLIT, FILE.en,FILE.fr or a manifest"
    )
    dev: str | None = Field(None, description="its development data; that of the training if empty")
    source_language: str | None = Field(None, description="that of the training if empty")
    target_language: str | None = Field(None, description="that of the training if empty")
    limit: int | None = Field(None, ge=1, description="pairs used at most; empty = all")
    skip: int = Field(0, ge=0, description="first pairs that are left out")


class MetaSettings(Settings):
    """How initial weights are learned from which a few updates on a little data go far."""

    method: Literal["joint", "maml", "first-order", "reptile"] = Field(
        "first-order",
        description="joint: one loss over all tasks, the baseline; else episodes of support and query: MAML "
        "(second order), its first order, or Reptile",
    )
    tasks: tuple[MetaTask, ...] = Field(min_length=1, description="the data sets that are learned from")
    inner_learning_rate: float = Field(0.05, gt=0.0, le=10.0, description="of the plain steps on the support")
    inner_steps: int = Field(1, ge=1, le=10, description="support batches of an episode, one step each")


class MetaConfig(FineTuningConfig):
    """Settings of a training; the learner ``meta`` learns from the tasks.

    Of ``data``, the little data that are learned afterwards, only the words enter the vocabulary.
    """

    meta: MetaSettings | None = Field(
        None,
        title="Meta-learning",
        description="learner meta: {method, tasks: [{data, target_language}], inner_learning_rate, "
        "inner_steps}; of data, which is learned afterwards, only the words enter the vocabulary",
    )

    @property
    def tasks(self) -> tuple[MetaTask, ...]:
        """The tasks of meta-learning with their development data and languages; none without."""
        return tuple(
            task.model_copy(
                update={
                    "dev": task.dev or self.dev,
                    "source_language": task.source_language or self.source_language,
                    "target_language": task.target_language or self.target_language,
                }
            )
            for task in (self.meta.tasks if self.meta else ())
        )
