"""``train_fuse``: a correction model from n-best lists and references, for a ``fuse`` node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from components.errors import ConfigError
from components.fusing.config import FuseTrainingConfig
from components.nodes.node_context import NodeContext
from components.run_record import StageRef
from components.stacking.kinds.train_stack import SecondSystemTraining
from components.storage.stages.reader import read_nbests_by_id, read_utterances
from components.storage.stages.whole_stage import StageFiles
from components.training import config as training

VERSION = "3"
"""Version of the training, besides that of the loop; raised when its models change."""


class TrainFuse(SecondSystemTraining[FuseTrainingConfig]):
    """Learns on the first data set and its lists; the second, with as many, picks the checkpoint."""

    name = "train_fuse"
    summary = "data, development data, and n-best lists of both -> a correction model for fuse"
    settings = FuseTrainingConfig
    reads = ("data", "text")
    inputs = (4, 64)
    version = f"{VERSION}/{training.VERSION}"

    @override
    def check_inputs(self, settings: FuseTrainingConfig, context: NodeContext) -> None:
        """Check that the inputs are two data sets, and as many texts over the one as over the other."""
        texts = context.types[2:]
        if context.types[:2] != ("data", "data") or set(texts) != {"text"} or len(texts) % 2:
            raise ConfigError(
                f"{self.name}: expected of: [data, development data, lists of the first, as many lists of "
                f"the second], found {', '.join(context.display_names or context.of)}"
            )

    @override
    def make(
        self, settings: FuseTrainingConfig, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Write the model, its metrics and their curve."""
        from components.fusing.training import FusedSet, train_fuser  # noqa: PLC0415 - imports torch

        count = (len(context.of) - 2) // 2
        sets = [
            FusedSet(
                read_utterances(read[f"of{number}"]),
                [read_nbests_by_id(read.get(f"of{2 + number * count + k}")) for k in range(count)],
            )
            for number in range(2)
        ]
        transcripts = not context.translated
        return train_fuser(
            folder, settings, (sets[0], sets[1]), context.store, context.progress, transcripts=transcripts
        )
