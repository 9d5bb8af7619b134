"""``train_stack``: a model that reads speech, from spoken data with translations, for a ``stack`` node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field
from typing_extensions import override

from components.errors import ConfigError
from components.files.files import read_json
from components.nodes.facts import Mode
from components.nodes.kind import Kind
from components.nodes.node_context import LanguagePairs, NodeContext
from components.records import Utterance
from components.run_record import StageRef
from components.stacking.config import (
    SPEECH_MODEL_KINDS,
    SpeechConfig,
    SpeechTrainingConfig,
    StackTrainingConfig,
)
from components.stacking.kinds.encode_speech import SPEECH, STATES
from components.stage_settings import TableOf, key_values
from components.storage.stages.reader import read_nbests_by_id, read_utterances
from components.storage.stages.whole_stage import StageFiles
from components.training import config as training
from components.training.kinds.targets import read_targets

LIBRARIES = ("torch", "transformers", "sentencepiece", "sacrebleu", "openai-whisper", "av")
VERSION = "3"
"""Version of the training, besides that of the loop; raised when its models change."""


T = TypeVar("T", bound=StackTrainingConfig)


class StackTrainingSettings(SpeechTrainingConfig):
    """Settings of the training of a model that reads speech."""

    method: Literal["direct", "late_fusion", "dual_source"] = Field(
        "dual_source", description="the method of the stack node that will use the model"
    )
    transcripts: int = Field(1, ge=1, le=16, description="dual_source: transcripts that are read, at most")
    targets: Annotated[str | None, TableOf("targets")] = Field(
        None, description="node of kind targets, whose texts take the place of the training data's references"
    )
    states: Annotated[str, TableOf("encode_speech")] = Field(
        description="encode_speech node of the training data"
    )
    dev_states: Annotated[str, TableOf("encode_speech")] = Field(
        description="encode_speech node of the development data"
    )

    def key_parameters(self) -> dict[str, Any]:
        """Return what is trained and how; only a dual-source model reads several transcripts."""
        kind = SPEECH_MODEL_KINDS[self.method]
        transcripts = self.transcripts if kind == "dual" else 1
        return key_values(self, {"method"}) | {"kind": kind, "transcripts": transcripts}


class SecondSystemTraining(Kind[T]):
    """Trains a second system by the training loop, from a model or from nothing."""

    output = "model"
    mode = Mode.WHOLE
    libraries = LIBRARIES

    @override
    def validate_models(self, settings: T, context: NodeContext, pairs: LanguagePairs) -> None:
        """Refuse a model that it cannot start from."""
        from components.stacking import checks  # noqa: PLC0415 - imports torch

        checks.validate_start_model(settings.init_from, context.store)


class TrainStack(SecondSystemTraining[StackTrainingSettings]):
    """Learns on speech and transcripts; those of a development set, after them, pick the checkpoint.

    A direct model reads no transcripts: the two sets of speech are enough for it.
    """

    name = "train_stack"
    summary = "speech and transcripts, then those of a development set -> a model for stack"
    settings = StackTrainingSettings
    reads = ("speech", "text")
    inputs = (2, 4)
    version = f"{VERSION}/{training.VERSION}"

    @override
    def check_inputs(self, settings: StackTrainingSettings, context: NodeContext) -> None:
        """Check that the inputs are speech, text, speech, text, or speech and speech of a direct model."""
        hears_alone = SPEECH_MODEL_KINDS[settings.method] == "direct" and len(context.of) == 2
        if len(context.of) == 4:
            check_spoken_sets(self.name, context)
        elif not hears_alone or not set(context.types) <= {"speech", "data"}:
            raise ConfigError(
                "expected speech and transcripts of training data, then of development data (speech and "
                f"speech of a direct model), found {', '.join(context.display_names)}"
            )

    @override
    def make(
        self,
        settings: StackTrainingSettings,
        context: NodeContext,
        read: Mapping[str, StageRef],
        folder: Path,
    ) -> StageFiles:
        """Write the model, its metrics and their curve."""
        from components.stacking.training.train import (  # noqa: PLC0415 - imports torch
            SpeechModelSettings,
            SpokenSet,
            train_speech_model,
        )

        with_texts = len(context.of) == 4
        sets = [
            SpokenSet(
                read_utterances(read[f"of{first}"]),
                read_nbests_by_id(read.get(f"of{first + 1}")) if with_texts else None,
                Path(read[states].path) / STATES,
            )
            for first, states in ((0, "states"), (2 if with_texts else 1, "dev_states"))
        ]
        if settings.targets is not None:
            targets = read_targets(context.table_folder("targets"))
            sets[0] = sets[0]._replace(utterances=_replace_references(sets[0].utterances, targets))
        speech = SpeechConfig.model_validate(read_json(Path(read["states"].path) / SPEECH))
        parameters = self.parameters(settings, context)
        listener = SpeechModelSettings(parameters["kind"], parameters["transcripts"], speech)
        return train_speech_model(
            folder, settings, listener, (sets[0], sets[1]), context.store, context.progress
        )


def check_spoken_sets(kind: str, context: NodeContext) -> None:
    """Refuse inputs other than speech and transcripts, once or twice.

    Raises:
        ConfigError: names the first that is wrong.
    """
    for number, sort in enumerate(context.types):
        expected = ("speech", "data") if number % 2 == 0 else ("text",)
        if sort not in expected:
            raise ConfigError(
                f"{kind} reads {expected[0]} as input {number + 1}, found {context.of[number]}, "
                f"which gives {sort}"
            )


def _replace_references(utterances: Iterator[Utterance], texts: Mapping[str, str]) -> Iterator[Utterance]:
    """Yield the utterances that have a text, which becomes their only reference."""
    for utterance in utterances:
        if utterance.id in texts:
            yield utterance.model_copy(update={"references": (texts[utterance.id],)})
