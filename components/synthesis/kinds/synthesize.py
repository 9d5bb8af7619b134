"""``synthesize``: speech from text; utterances that are spoken already stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from typing_extensions import override

from components.nodes.facts import Mode, state
from components.nodes.kind import Kind
from components.nodes.node_context import Item, LanguagePairs, NodeContext
from components.records import Quarantined, Utterance
from components.storage.stages.whole_stage import StageFiles
from components.synthesis.config import VERSION, SynthesisConfig

AUDIO = "audio"
_BATCH = 32


class Synthesize(Kind[SynthesisConfig]):
    """Speaks utterances that have no audio; after a text node it speaks that node's texts."""

    name = "synthesize"
    summary = "text -> speech, for data that are only written"
    settings = SynthesisConfig
    reads = ("text", "speech")
    output = "speech"
    mode = Mode.AGGREGATE
    version = str(VERSION)
    libraries = ("av", "numpy", "soundfile", "onnxruntime")
    stated = state(keeps_spoken=True)

    @override
    def digests(self, settings: SynthesisConfig, context: NodeContext) -> dict[str, str]:
        """Return the digests of engine and voices as installed.

        Raises:
            ConfigError: they are not installed.
        """
        from components.synthesis import synthesizer  # noqa: PLC0415 - decodes audio

        return synthesizer.build(settings).identity

    @override
    def validate_models(self, settings: SynthesisConfig, context: NodeContext, pairs: LanguagePairs) -> None:
        """Refuse an engine or a voice that is not installed."""
        self.digests(settings, context)

    @override
    def collect(
        self, settings: SynthesisConfig, context: NodeContext, items: Iterator[Item], folder: Path
    ) -> StageFiles:
        """Write the utterances with audio in the stage's own folder; files of an earlier attempt are used."""
        from components.synthesis import synthesizer  # noqa: PLC0415 - decodes audio

        speaker = synthesizer.build(settings)
        replaces = context.types[0] == "text"
        outcomes: list[Utterance | Quarantined] = []
        while batch := list(islice(items, _BATCH)):
            written = [item.utterance for item in batch]
            if replaces:  # their texts are spoken, recordings or not
                written = [each.model_copy(update={"audio": None}) for each in written]
            for outcome in speaker.synthesize(written, folder / AUDIO):
                if isinstance(outcome, Quarantined):
                    outcomes.append(outcome.model_copy(update={"stage": context.name}))
                else:
                    outcomes.append(_with_relative_path(folder, outcome))
        files = {
            outcome.audio.path
            for outcome in outcomes
            if isinstance(outcome, Utterance) and outcome.audio and outcome.audio.path.startswith(AUDIO)
        }
        return StageFiles(sorted(files), len(outcomes), records=outcomes)


def _with_relative_path(folder: Path, utterance: Utterance) -> Utterance:
    """Return the utterance with the path of its audio relative to the stage, so that a store can be moved."""
    sound = utterance.audio
    if sound is None or not Path(sound.path).is_relative_to(folder):
        return utterance
    path = Path(sound.path).relative_to(folder).as_posix()
    return utterance.model_copy(update={"audio": sound.model_copy(update={"path": path})})
