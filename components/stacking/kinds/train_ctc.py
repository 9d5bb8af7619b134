"""``train_ctc``: a recognizer of another family, a CTC head on Whisper's frozen encoder, from spoken data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field
from typing_extensions import override

from components.files.files import read_json
from components.models.architectures import SPEECH_CTC
from components.nodes.facts import Mode, state
from components.nodes.kind import Kind
from components.nodes.node_context import NodeContext
from components.run_record import StageRef
from components.stacking.config import SpeechConfig
from components.stacking.kinds.encode_speech import SPEECH, STATES
from components.stage_settings import TableOf
from components.storage.stages.reader import read_utterances
from components.storage.stages.whole_stage import StageFiles
from components.training import config as training
from components.training.ctc_config import CtcTrainingConfig

VERSION = "1"
"""Version of the training, besides that of the loop; raised when its models change."""


class TrainCtcSettings(CtcTrainingConfig):
    """Settings of the training of a CTC head, and the nodes of its encoder states."""

    states: Annotated[str, TableOf("encode_speech")] = Field(
        description="encode_speech node of the training data; pooling: 1 is 50 frames a second"
    )
    dev_states: Annotated[str, TableOf("encode_speech")] = Field(
        description="encode_speech node of the development data, with the same settings"
    )


class TrainCtc(Kind[TrainCtcSettings]):
    """Learns on spoken data with transcripts; a development set, the second input, picks the checkpoint."""

    name = "train_ctc"
    summary = "spoken data, then a development set -> a CTC recognizer on Whisper's encoder"
    settings = TrainCtcSettings
    reads = ("data", "speech")
    inputs = (2, 2)
    output = "model"
    mode = Mode.WHOLE
    version = f"{VERSION}/{training.VERSION}"
    libraries = ("torch", "openai-whisper", "jiwer")
    stated = state(architecture=SPEECH_CTC)

    @override
    def make(
        self, settings: TrainCtcSettings, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Write the model, its metrics and their curve."""
        from components.stacking.training.ctc import SpokenData, train_ctc_head  # noqa: PLC0415 - torch

        sets = [
            SpokenData(
                list(read_utterances(read[data])),
                Path(read[states].path) / STATES,
                SpeechConfig.model_validate(read_json(Path(read[states].path) / SPEECH)),
            )
            for data, states in (("of0", "states"), ("of1", "dev_states"))
        ]
        return train_ctc_head(folder, settings, sets[0], sets[1], context.store, context.progress)
