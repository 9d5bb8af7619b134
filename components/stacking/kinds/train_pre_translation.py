"""``train_pre_translation``: a model that reads source and draft, for a ``stack`` node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from components.errors import ConfigError
from components.nodes.node_context import NodeContext
from components.run_record import StageRef
from components.stacking.config import PreTranslationConfig
from components.stacking.kinds.train_stack import SecondSystemTraining
from components.storage.stages.reader import languages_of, read_best_texts, read_utterances
from components.storage.stages.whole_stage import StageFiles
from components.training import config as training

VERSION = "2"
"""Version of the training, besides that of the loop; raised when its models change."""


class TrainPreTranslation(SecondSystemTraining[PreTranslationConfig]):
    """Jackknifes the first data set; the second, with its transcripts and drafts, picks the checkpoint."""

    name = "train_pre_translation"
    summary = "data, then development data, transcripts and drafts -> a model for stack"
    settings = PreTranslationConfig
    reads = ("data", "text")
    inputs = (4, 4)
    version = f"{VERSION}/{training.VERSION}"

    @override
    def check_inputs(self, settings: PreTranslationConfig, context: NodeContext) -> None:
        """Check that the inputs are two data sets and two texts."""
        if context.types != ("data", "data", "text", "text"):
            raise ConfigError(
                f"{self.name} reads data, development data, their transcripts and their drafts, found "
                f"{', '.join(context.of)}"
            )

    @override
    def make(
        self, settings: PreTranslationConfig, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Write the model, its metrics and their curve."""
        from components.stacking.training import jackknife  # noqa: PLC0415 - imports torch

        dev = list(read_utterances(read["of1"]))
        transcripts = read_best_texts(read["of2"]) if "of2" in read else {}  # what is only written has none
        drafted = jackknife.pair_with_drafts(dev, transcripts, read_best_texts(read["of3"]))
        languages = languages_of(read["of0"])
        return jackknife.train_pre_translation(
            folder,
            settings,
            read_utterances(read["of0"]),
            (dev, drafted),
            languages,
            context.store,
            context.progress,
        )
