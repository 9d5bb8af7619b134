"""Utterances with text -> the same utterances with audio: 16 kHz mono FLAC files in a folder.

The same text, voice and engine give the same bytes. A voice is chosen by the utterance's id, so that it does
not depend on what else is spoken.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import soundfile

from components import audio
from components.errors import ConfigError, DataError
from components.files.files import rename_durably, sync_file
from components.records import Quarantined, Utterance
from components.synthesis.config import VERSION, SynthesisConfig
from components.synthesis.engines import ENGINES

STAGE = "synthesis"
VOICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+./-]*")


class Synthesizer:
    """Speaks texts.

    Attributes:
        version: changes when outputs do.
        config: engine, voices, speed.
        identity: engine and voices as installed: names and versions.

    Raises:
        ConfigError: Engine or voice is missing or does not fit the settings; the message has the remedy.
    """

    version: int = VERSION

    def __init__(self, config: SynthesisConfig) -> None:
        self.config = config
        self._engine = ENGINES[config.engine]
        self._voices = config.voices or (self._engine.default_voice,)
        for voice in self._voices:
            if not VOICE_NAME.fullmatch(voice) and config.engine != "piper":
                raise ConfigError(f"synthesis: expected the name of a voice, found {voice!r}")
        self.identity = self._engine.identity(self._voices)

    def synthesize(self, utterances: Sequence[Utterance], folder: Path) -> list[Utterance | Quarantined]:
        """Return one outcome per utterance, in order: with its audio in ``folder``, or its fault.

        ``text`` moves to ``transcript``, each :data:`PRONUNCIATION_MARK` as its word. An
        utterance that has audio already is returned as it is.
        """
        folder.mkdir(parents=True, exist_ok=True)
        return [self._synthesize_one(utterance, folder) for utterance in utterances]

    def voice_of(self, utterance_id: str) -> str:
        """Return the voice that speaks this utterance."""
        return self._voices[int(hashlib.sha256(utterance_id.encode()).hexdigest(), 16) % len(self._voices)]

    def file_name_of(self, utterance_id: str, text: str) -> str:
        """Return the name of its file, which follows from all that decides the sound."""
        parts = [utterance_id, text, self.voice_of(utterance_id), self.config.engine, str(self.config.speed)]
        name = hashlib.sha256("\0".join([*parts, *sorted(self.identity.values())]).encode()).hexdigest()
        return f"{name[:32]}.flac"

    def _synthesize_one(self, utterance: Utterance, folder: Path) -> Utterance | Quarantined:
        if utterance.audio is not None:
            return utterance
        text = utterance.text or ""
        try:
            self._check(text)
            target = folder / self.file_name_of(utterance.id, text)
            if not target.exists():  # written at once or not at all
                self.speak(text, self.voice_of(utterance.id), target)
            sound = audio.describe(target)
        except DataError as error:
            return Quarantined(utterance_id=utterance.id, stage=STAGE, reason="not spoken", detail=str(error))
        return utterance.model_copy(update={"audio": sound, "text": None, "transcript": strip_marks(text)})

    def _check(self, text: str) -> None:
        if not any(character.isalnum() for character in strip_marks(text)):
            raise DataError("expected a text with words to speak, found none")
        if len(text) > self.config.max_characters:
            lengths = f"at most {self.config.max_characters} characters, found {len(text)}"
            raise DataError(f"expected a text of {lengths}: split it, or raise max_characters")
        if is_marked(text) and not self._engine.has_phonemes:
            raise DataError(f"expected an engine that takes phonemes (espeak-ng), found {self.config.engine}")

    def speak(self, text: str, voice: str, target: Path) -> None:
        """Write one text as FLAC, 16 kHz mono, 16 bit. DataError where the engine gives no speech."""
        spoken = to_phonemes(text) if self._engine.has_phonemes else text
        with tempfile.TemporaryDirectory() as scratch:
            source, wav = Path(scratch) / "text.txt", Path(scratch) / "speech.wav"
            source.write_text(" ".join(spoken.split()) + "\n", encoding="utf-8")
            self._engine.speak(source, voice, self.config.speed, wav)
            if not wav.is_file() or wav.stat().st_size == 0:
                raise DataError(f"{self.config.engine}: expected speech of voice {voice!r}, found none")
            samples = audio.decode(audio.describe(wav))
        if len(samples) == 0 or not samples.any():
            raise DataError(f"{self.config.engine}: expected speech of voice {voice!r}, found silence")
        partial = target.with_suffix(".partial")
        soundfile.write(partial, samples.clip(-1, 1), audio.SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        sync_file(partial)
        rename_durably(partial, target)


def build(config: SynthesisConfig) -> Synthesizer:
    """Build ``config``'s synthesizer. ConfigError, with the remedy, where its engine or voice is missing."""
    return Synthesizer(config)


PRONUNCIATION_MARK = re.compile(r"\{([^{}|]+)\|([^{}|\[\]]+)\}")
"""A forced pronunciation: ``{read|r'Ed}`` is read as "read" and spoken as the phonemes r'Ed, espeak-ng's own
(Kirshenbaum's ASCII, as ``espeak-ng -q -x`` prints them)."""


def strip_marks(text: str) -> str:
    """Return the text as it is read: every mark replaced by its word."""
    return PRONUNCIATION_MARK.sub(r"\1", text)


def to_phonemes(text: str) -> str:
    """Return the text as espeak-ng is to speak it: every mark replaced by its phonemes in double brackets."""
    return PRONUNCIATION_MARK.sub(r"[[\2]]", text)


def is_marked(text: str) -> bool:
    """Return whether a pronunciation is forced anywhere in ``text``."""
    return PRONUNCIATION_MARK.search(text) is not None
