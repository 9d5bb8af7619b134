"""Spoken captions: Multi30k by synthetic voices, with noise if wanted; transcripts, encoder states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import soundfile

from benchmarks.claims.speech.dual_source import SPEECH
from benchmarks.claims.workspace import PACKAGED, Workspace
from components import audio
from components.files.digests import combine_digests
from components.files.files import rename_durably
from components.perturbation.config import PerturbationConfig
from components.perturbation.speech import perturb_speech
from components.recognition.config import RecognitionConfig
from components.records import NBest, Utterance
from components.stacking.encoder_states import EncoderStates, write_states
from components.stacking.speech_encoder import SpeechEncoder
from components.synthesis.config import SynthesisConfig
from components.synthesis.synthesizer import build as build_synthesizer
from components.translation.config import TranslationConfig


@dataclass(frozen=True)
class Voice:
    """How captions are spoken: engine, its voices (one an utterance), white noise at a ratio in decibels."""

    engine: Literal["piper", "espeak-ng", "flite"]
    voices: tuple[str, ...]
    snr_db: float | None = None


VOICES = {
    "flite rms": Voice("flite", ("rms",)),
    "piper joe": Voice("piper", ("joe",)),
    "espeak-ng": Voice("espeak-ng", ("en-us",)),
    "flite rms, 10 dB": Voice("flite", ("rms",), 10.0),
    "flite rms, 5 dB": Voice("flite", ("rms",), 5.0),
    "flite slt": Voice("flite", ("slt",)),
    "flite slt and rms": Voice("flite", ("slt", "rms")),
}
RECOGNIZERS = {
    "Whisper base": RecognitionConfig(beam_size=1, n_best=1, device="cpu"),
    "Whisper tiny.en": RecognitionConfig(
        model="packaged:whisper-tiny.en", beam_size=1, n_best=1, device="cpu"
    ),
    "PocketSphinx": RecognitionConfig(model="sphinx:en-us", backend="pocketsphinx", beam_size=1, n_best=1),
}


def speak(work: Workspace, captions: Sequence[Utterance], voice: str) -> list[Utterance]:
    """The captions with audio; what is there is used again."""
    settings = VOICES[voice]
    synthesizer = build_synthesizer(SynthesisConfig(engine=settings.engine, voices=settings.voices))
    folder = work.folder / "spoken" / f"{settings.engine}-{'-'.join(settings.voices)}"
    spoken = [u for u in synthesizer.synthesize(captions, folder) if isinstance(u, Utterance)]
    if len(spoken) < len(captions):
        raise ValueError(f"{voice}: expected speech of {len(captions)} captions, found {len(spoken)}")
    return spoken if settings.snr_db is None else [add_noise(u, settings.snr_db) for u in spoken]


def add_noise(
    utterance: Utterance, snr_db: float, noise: Literal["white", "pink"] = "white", seed: int = 20
) -> Utterance:
    """The utterance with noise at this ratio, in a file beside the clean one."""
    clean = Path(utterance.audio.path)
    noisy = clean.with_name(f"{clean.stem}-{snr_db:g}dB.flac")
    if not noisy.exists():
        config = PerturbationConfig(snr_db=snr_db, noise=noise)
        samples = perturb_speech(audio.decode(utterance.audio), config, utterance.id, seed=seed)
        partial = noisy.with_suffix(".partial")
        soundfile.write(partial, samples.clip(-1, 1), audio.SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        rename_durably(partial, noisy)
    return utterance.model_copy(update={"audio": audio.describe(noisy)})


def transcribe(work: Workspace, spoken: Sequence[Utterance], recognizer: str) -> dict[str, NBest]:
    """What one of :data:`RECOGNIZERS` writes, by utterance."""
    return work.transcribe(spoken, RECOGNIZERS[recognizer])


def translate_texts(
    work: Workspace, utterances: Sequence[Utterance], texts: Mapping[str, str], model: str = PACKAGED
) -> dict[str, NBest]:
    """Translations (beam 5) of texts of these utterances; empty texts have none."""
    config = TranslationConfig(model=model, beam_size=5, n_best=1, batch_size=64, device="cpu")
    read = [u.model_copy(update={"text": texts[u.id], "audio": None}) for u in utterances]
    return work.list_translations(read, config)


def encode(work: Workspace, spoken: Sequence[Utterance]) -> EncoderStates:
    """Whisper's encoder states of recordings, in a folder that is named by their digests."""
    audio_files = {u.id: u.audio.sha256 for u in spoken if u.audio}
    folder = work.folder / "spoken" / f"states-{combine_digests(audio_files)[:16]}"
    missing = write_states(SpeechEncoder(SPEECH, device="cpu"), spoken, folder)
    if missing:
        raise ValueError(f"expected every recording encoded, found {missing[0].detail}")
    return EncoderStates(folder)
