"""The spoken homographs: their audio, encoder states, and what Whisper writes of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claims.speech.dual_source import SPEECH, Sound
from benchmarks.claims.speech.homographs import Sentence, sentences
from benchmarks.claims.workspace import Workspace
from components.recognition.backend_choice import backend_of
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build as build_recognizer
from components.records import NBest, Utterance
from components.stacking.encoder_states import EncoderStates, write_states
from components.stacking.speech_encoder import SpeechEncoder
from components.stacking.training.learner import SpokenPair
from components.synthesis.config import SynthesisConfig
from components.synthesis.synthesizer import build, strip_marks

VOICES = {
    "train": ("en-us+m3", "en-us+f2", "en-us+m1", "en-us+f3"),
    "dev": ("en-us+m4",),
    "test": ("en-us+m7", "en-us+f4"),
}
"""espeak-ng's voices: those of the test are heard nowhere else."""
COPIES, DEV = 2, 120


@dataclass(frozen=True)
class SpokenHomographs:
    """Utterances by part, the sentence of each, and the encoder states of all."""

    utterances: dict[str, list[Utterance]]
    sentence: dict[str, Sentence]
    states: EncoderStates

    def pairs(self, part: str) -> list[SpokenPair]:
        """The spoken pairs of a part."""
        return [SpokenPair(u.id, (str(u.transcript),), u.references[0]) for u in self.utterances[part]]

    def read_pairs(self) -> list[SpokenPair]:
        """Sentences with held-out words: read in training, in both readings, and not heard."""
        words = [s for s in sentences() if s.split == "words"]
        return [SpokenPair(f"read-{s.id}", (strip_marks(s.marked),), s.german) for s in words]


def speak(folder: Path) -> SpokenHomographs:
    """Speech (espeak-ng, phonemes forced) and encoder states in ``folder``; what is there is used again."""
    train = [s for s in sentences() if s.split == "train"]
    plans = {
        "train": [(s, copy) for copy in range(COPIES) for s in train],
        "dev": [(s, 9) for s in train[:: len(train) // DEV]],
        "test": [(s, 0) for s in sentences() if s.split != "train"],
    }
    utterances: dict[str, list[Utterance]] = {}
    sentence: dict[str, Sentence] = {}
    for part, plan in plans.items():
        written = []
        for s, copy in plan:
            name = f"{part}-{copy}-{s.id}"
            written.append(Utterance(id=name, text=s.marked, source_language="en", references=(s.german,)))
            sentence[name] = s
        voice = build(SynthesisConfig(engine="espeak-ng", voices=VOICES[part]))
        spoken = voice.synthesize(written, folder / part)
        utterances[part] = [u for u in spoken if isinstance(u, Utterance)]
        if len(utterances[part]) < len(written):
            raise ValueError(f"expected speech of {len(written)} sentences, found {len(utterances[part])}")
        write_states(SpeechEncoder(SPEECH, device="cpu"), utterances[part], folder / f"states-{part}")
    states = EncoderStates(*(folder / f"states-{part}" for part in plans))
    return SpokenHomographs(utterances, sentence, states)


def draw_sounds(spoken: SpokenHomographs) -> dict[str, Sound]:
    """What is heard with each test sentence: its own sound, its twin's, that of another word, or nothing."""
    test = spoken.utterances["test"]
    words = {u.id: spoken.sentence[u.id].word for u in test}
    rng = random.Random(20)
    others = {u.id: rng.choice([v.id for v in test if words[v.id] != words[u.id]]) for u in test}
    return {
        "right sound": {u.id: u.id for u in test},
        "other reading's sound": {u.id: f"{u.id[:-1]}{1 - int(u.id[-1])}" for u in test},
        "another sentence's sound": others,
        "silence": {},
    }


def transcribe(work: Workspace, spoken: SpokenHomographs) -> dict[str, str]:
    """What Whisper base (greedy) writes of the test sentences; nothing where it hears no speech."""
    test = spoken.utterances["test"]
    config = RecognitionConfig(beam_size=1, n_best=1, window_seconds=8.0, device="cpu")

    def recognize() -> dict[str, str]:
        outcomes = build_recognizer(config).recognize(test)
        return {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}

    audio = [u.audio.sha256 for u in test if u.audio]
    key = {"recognize": backend_of(config).version, "config": config.model_dump(mode="json"), "audio": audio}
    texts = work.cached(key, recognize)
    return {u.id: texts.get(u.id, "") for u in test}
