"""``synthesize``: text -> speech; utterances of a data set that are spoken already stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from components.files import write_bytes
from components.nodes.kind import Item, Kind, LanguagePairs, Site
from components.records import Quarantined, Utterance
from components.storage.stage_writer import ERRORS, OUTPUTS
from components.storage.whole_stage import Product
from components.synthesis.config import VERSION, SynthesisConfig

AUDIO = "audio"
_BATCH = 32


class Synthesize(Kind[SynthesisConfig]):
    """Speaks what has no audio; of a text node it speaks the texts."""

    name = "synthesize"
    summary = "text -> speech, for data that are only written"
    settings = SynthesisConfig
    reads = ("text", "speech")
    gives = "speech"
    whole = True
    gathers = True

    def version(self, settings: SynthesisConfig) -> str:
        """Of the synthesizer."""
        return str(VERSION)

    def libraries(self, settings: SynthesisConfig) -> tuple[str, ...]:
        """Of reading and writing audio, and of piper's networks."""
        return ("av", "numpy", "soundfile", "onnxruntime")

    def digests(self, settings: SynthesisConfig, site: Site) -> dict[str, str]:
        """Engine and voices as installed. ConfigError where they are not."""
        from components.synthesis import synthesizer  # noqa: PLC0415 - decodes audio

        return synthesizer.build(settings).identity

    def validate_models(self, settings: SynthesisConfig, site: Site, pairs: LanguagePairs) -> None:
        """An engine or a voice that is not installed."""
        self.digests(settings, site)

    def leaves_unchanged(self, utterance: Utterance) -> bool:
        """What is spoken stays."""
        return utterance.audio is not None

    def collect(self, settings: SynthesisConfig, site: Site, items: Iterator[Item], folder: Path) -> Product:
        """The utterances with audio in the stage's own folder; what an attempt before left is used."""
        from components.synthesis import synthesizer  # noqa: PLC0415 - decodes audio

        speaker = synthesizer.build(settings)
        replaces = site.sorts[0] == "text"
        spoken: list[Utterance] = []
        refused: list[Quarantined] = []
        while batch := list(islice(items, _BATCH)):
            written = [_without_audio(item.utterance) if replaces else item.utterance for item in batch]
            for outcome in speaker.synthesize(written, folder / AUDIO):
                if isinstance(outcome, Quarantined):
                    refused.append(outcome.model_copy(update={"stage": site.name}))
                else:
                    spoken.append(_with_relative_path(folder, outcome))
        _write(folder / OUTPUTS, spoken)
        _write(folder / ERRORS, refused)
        files = sorted({one.audio.path for one in spoken if one.audio and one.audio.path.startswith(AUDIO)})
        return Product([OUTPUTS, ERRORS, *files], len(spoken) + len(refused), len(refused))


def _without_audio(utterance: Utterance) -> Utterance:
    """A text in the place of what was said."""
    return utterance.model_copy(update={"audio": None})


def _with_relative_path(folder: Path, utterance: Utterance) -> Utterance:
    """With its audio by its place in the stage, if it is there: a store may be moved."""
    sound = utterance.audio
    if sound is None or not Path(sound.path).is_relative_to(folder):
        return utterance
    path = Path(sound.path).relative_to(folder).as_posix()
    return utterance.model_copy(update={"audio": sound.model_copy(update={"path": path})})


def _write(path: Path, records: list[Utterance] | list[Quarantined]) -> None:
    lines = (record.model_dump_json(exclude_defaults=True) + "\n" for record in records)
    write_bytes(path, "".join(lines).encode("utf-8"))
