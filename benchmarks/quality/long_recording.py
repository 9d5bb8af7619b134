"""Are sentences joined before translation worth it? One long recording, translated in several ways.

Spoken captions are joined to one recording, with pauses between them, and once more with a pause inside every
caption, as of a speaker who looks for a word. The recording has reference segments; every output is cut to
them by word edits and scored over them. The transcript is the same for both ways of translating it: sentence
by sentence, or every segment of the recognizer alone.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.paths import data_set
from benchmarks.common.recordings import decode_audio
from benchmarks.common.sections import Result
from benchmarks.common.text_statistics import count_transcripts, count_translations
from benchmarks.pages.long_recording import FRAGMENTS, GOLD, SENTENCES, WHOLE
from components import audio, data
from components.metrics.scoring_units import ScoringUnits
from components.records import Hypothesis, NBest, Segment, Utterance
from components.translation.config import TranslationConfig
from components.translation.factory import build
from components.translation.translator import Translator

PAGE = "long-recording"
RECOGNIZER = {"model": "packaged:whisper-base"}
TRANSLATOR = "packaged:multi30k-en-de"
LANGUAGES = "en", "de"
TITLES = {"Pauses between sentences": False, "Pauses inside them, too": True}
Texts = dict[str, str]


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Per recording: reference segments, transcripts and translations cut to them, and where Whisper cuts."""
    captions = load_captions()
    translator = build(TranslationConfig(model=TRANSLATOR, device="cpu"))
    recordings = []
    with tempfile.TemporaryDirectory() as folder:
        for title, hesitant in TITLES.items():
            recording = join(captions, Path(folder), f"talk-{int(hesitant)}", hesitant=hesitant)
            recordings.append({"title": title, **process_recording(captions, recording, translator)})
            print(title, flush=True)
    yield Result("texts", recordings, [RECOGNIZER["model"], TRANSLATOR])


def load_captions() -> list[Utterance]:
    """The spoken captions of the shared folder and those of the sample set, each one sentence."""
    shared = data.load(str(data_set("spoken") / "manifest.jsonl"), target_language="de").utterances
    samples = data.load("sample").utterances
    return [u for u in (*shared, *samples) if u.audio and len(u.references) == 1 and u.audio.seconds < 8]


def join(captions: Sequence[Utterance], folder: Path, name: str, *, hesitant: bool) -> Utterance:
    """One recording of all captions in a fixed random order, through a manifest as a user writes it.

    Pauses between captions are 0.3 to 2 s, those inside them 0.6 to 1.2 s.
    """
    order, draw = draw_order(captions)
    parts, segments, position = [], [], 0
    for caption in order:
        samples = decode_audio(caption)
        if hesitant:
            samples = insert_pause(samples, draw.uniform(0.6, 1.2))
        times = {"start": position / audio.SAMPLE_RATE, "end": (position + len(samples)) / audio.SAMPLE_RATE}
        texts = {"transcript": caption.transcript, "references": list(caption.references)}
        segments.append({**times, **texts})
        pause = np.zeros(int(draw.uniform(0.3, 2.0) * audio.SAMPLE_RATE), np.float32)
        parts += [samples, pause]
        position += len(samples) + len(pause)
    soundfile.write(folder / f"{name}.flac", np.concatenate(parts), audio.SAMPLE_RATE, subtype="PCM_16")
    languages = {"source_language": LANGUAGES[0], "target_language": LANGUAGES[1]}
    record = {"id": name, "audio": f"{name}.flac", **languages, "segments": segments}
    manifest = folder / f"{name}.jsonl"
    manifest.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    (recording,) = data.load(str(manifest)).utterances
    return recording


def draw_order(captions: Sequence[Utterance]) -> tuple[list[Utterance], random.Random]:
    """The captions in the order of the recording, and what draws its pauses."""
    draw = random.Random(2)  # order 1 was looked at while the rule of long sentences was written
    return draw.sample(list(captions), len(captions)), draw


def insert_pause(samples: np.ndarray, seconds: float) -> np.ndarray:
    """Silence at the quietest 40 ms of the middle third."""
    width = int(0.04 * audio.SAMPLE_RATE)
    frames = range(len(samples) // 3, 2 * len(samples) // 3, width // 4)
    quietest = min(frames, key=lambda at: float(np.square(samples[at : at + width]).mean())) + width // 2
    silence = np.zeros(int(seconds * audio.SAMPLE_RATE), np.float32)
    return np.concatenate([samples[:quietest], silence, samples[quietest:]])


def translate(translator: Translator, texts: Sequence[tuple[str, Sequence[Segment]]]) -> list[str]:
    """The best translations of texts with their times."""
    utterances = [
        Utterance(id=str(n), text=text, source_language=LANGUAGES[0], target_language=LANGUAGES[1])
        for n, (text, _) in enumerate(texts)
    ]
    outcomes = translator.translate(utterances, [segments for _, segments in texts])
    return [outcome.best.text if isinstance(outcome, NBest) else "" for outcome in outcomes]


def cut_units(units: Sequence[Utterance], pieces: Texts, transcript: Hypothesis) -> list[str]:
    """Ids of the reference segments inside whose words a segment of the recognizer ends."""
    ends, position = [], 0
    for segment in transcript.segments:
        position = transcript.text.index(segment.text, position) + len(segment.text)
        ends.append(position)
    cut, position = [], 0
    for unit in units:
        start = transcript.text.index(pieces[unit.id], position)
        position = start + len(pieces[unit.id])
        if any(start < end < position for end in ends):
            cut.append(unit.id)
    return cut


def process_recording(
    captions: Sequence[Utterance], recording: Utterance, translator: Translator
) -> dict[str, Any]:
    """Everything that the page scores, as lists over the reference segments in their order."""
    alone, _ = recognize_cached(RECOGNIZER, captions)
    long, _ = recognize_cached(RECOGNIZER, [recording])
    best = long[recording.id].best
    spoken = ScoringUnits([recording], "transcript", LANGUAGES[0])
    units = ScoringUnits([recording], "translation", LANGUAGES[1])
    numbers = {str(u.transcript): u.id for u in captions}
    order = [numbers[str(unit.transcript)] for unit in units.utterances]
    ids = [unit.id for unit in units.utterances]
    whole = spoken.split({recording.id: best.text})
    single = translate(translator, [(alone[key].best.text, alone[key].best.segments) for key in order])
    fragments = translate(translator, [(segment.text, ()) for segment in best.segments])
    (joined,) = translate(translator, [(best.text, best.segments)])
    split = {SENTENCES: joined, FRAGMENTS: " ".join(fragments)}
    pieces = {name: units.split({recording.id: text}) for name, text in split.items()}
    transcripts = {
        GOLD: {own: alone[key].best.text for own, key in zip(ids, order, strict=True)},
        WHOLE: whole,
    }
    translations = {GOLD: dict(zip(ids, single, strict=True)), **pieces}
    return {
        "seconds": recording.audio.seconds if recording.audio else 0.0,
        "whisper_segments": len(best.segments),
        "cut": cut_units(units.utterances, whole, best),
        "transcripts": transcripts,
        "translations": translations,
        "wer": count_transcripts(units.utterances, transcripts),
        "statistics": count_translations(units.utterances, translations),
    }
