"""``encode_speech``: encoder states of speech on disk, so that a frozen Whisper runs once per recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from components.files.files import write_json
from components.nodes.facts import Mode, state
from components.nodes.kind import Kind
from components.nodes.node_context import LanguagePairs, NodeContext
from components.run_record import StageRef
from components.stacking.config import ENCODER_STATES_VERSION, SpeechConfig
from components.storage.stages.reader import read_utterances
from components.storage.stages.whole_stage import StageFiles

STATES, SPEECH = "states", "speech.json"


class EncodeSpeech(Kind[SpeechConfig]):
    """Runs Whisper's frozen encoder, for the training of models that read its states."""

    name = "encode_speech"
    summary = "speech -> encoder states, to train a model that reads speech"
    settings = SpeechConfig
    reads = ("speech",)
    output = "table"
    mode = Mode.WHOLE
    version = str(ENCODER_STATES_VERSION)
    libraries = ("torch", "numpy", "openai-whisper", "av")
    stated = state(device="auto", needs_speech=True)

    @override
    def validate_models(self, settings: SpeechConfig, context: NodeContext, pairs: LanguagePairs) -> None:
        """Refuse a model that is no Whisper."""
        from components.stacking import checks  # noqa: PLC0415 - imports torch

        checks.validate_encoder(settings.model, context.store)

    @override
    def make(
        self, settings: SpeechConfig, context: NodeContext, read: Mapping[str, StageRef], folder: Path
    ) -> StageFiles:
        """Write the states and the settings that they were made with; earlier files are kept."""
        from components.stacking import (  # noqa: PLC0415 - imports torch
            encoder_states,
            speech_encoder,
        )

        spoken = list(read_utterances(read["of0"]))
        encoder = speech_encoder.SpeechEncoder(settings, context.store)

        def report(count: int) -> None:
            context.progress(100.0 * count / len(spoken))

        refused = encoder_states.write_states(encoder, spoken, folder / STATES, report)
        write_json(folder / SPEECH, settings.model_dump(mode="json"))
        files = [f"{STATES}/{path.name}" for path in (folder / STATES).glob("*.safetensors")]
        return StageFiles([SPEECH, *files], items=len(spoken), refused=refused)
