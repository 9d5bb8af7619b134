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
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.paths import RESULTS, SHARED
from benchmarks.common.recordings import decode_audio
from benchmarks.common.tables import format_difference, format_score, markdown_table
from components import audio, data
from components.metrics.recognition import recognition_scores
from components.metrics.scoring_units import ScoringUnits
from components.metrics.significance import translation_tests
from components.metrics.translation import translation_scores
from components.records import Hypothesis, NBest, Segment, Utterance
from components.translation.config import TranslationConfig
from components.translation.factory import build
from components.translation.translator import Translator

PAGE = RESULTS / "long-recording.md"
RECOGNIZER = {"model": "packaged:whisper-base"}
LANGUAGES = "en", "de"
GOLD, SENTENCES, FRAGMENTS = "gold segments", "sentences joined", "every Whisper segment alone"
Texts = dict[str, str]


def load_captions() -> list[Utterance]:
    """The spoken captions of the shared folder and those of the sample set, each one sentence."""
    shared = data.load(str(SHARED / "data" / "spoken" / "manifest.jsonl"), target_language="de").utterances
    samples = data.load("sample").utterances
    return [u for u in (*shared, *samples) if u.audio and len(u.references) == 1 and u.audio.seconds < 8]


def join(captions: Sequence[Utterance], folder: Path, name: str, *, hesitant: bool) -> Utterance:
    """One recording of all captions in a fixed random order, through a manifest as a user writes it.

    Pauses between captions are 0.3 to 2 s, those inside them 0.6 to 1.2 s.
    """
    draw = random.Random(2)  # order 1 was looked at while the rule of long sentences was written
    order = draw.sample(list(captions), len(captions))
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


def measure(
    captions: Sequence[Utterance], recording: Utterance, translator: Translator
) -> tuple[dict[str, Texts], dict[str, Texts], ScoringUnits, Hypothesis]:
    """Transcripts and translations by system, cut to the reference segments; and the whole transcript."""
    alone, _ = recognize_cached(RECOGNIZER, captions)
    long, _ = recognize_cached(RECOGNIZER, [recording])
    best = long[recording.id].best
    spoken = ScoringUnits([recording], "transcript", LANGUAGES[0])
    units = ScoringUnits([recording], "translation", LANGUAGES[1])
    numbers = {str(u.transcript): u.id for u in captions}
    order = [numbers[str(unit.transcript)] for unit in units.utterances]
    ids = [unit.id for unit in units.utterances]
    transcripts = {
        GOLD: dict(zip(ids, (alone[key].best.text for key in order), strict=True)),
        "the recording": spoken.split({recording.id: best.text}),
    }
    single = translate(translator, [(alone[key].best.text, alone[key].best.segments) for key in order])
    fragments = translate(translator, [(segment.text, ()) for segment in best.segments])
    (joined,) = translate(translator, [(best.text, best.segments)])
    translations = {
        SENTENCES: units.split({recording.id: joined}),
        FRAGMENTS: units.split({recording.id: " ".join(fragments)}),
        GOLD: dict(zip(ids, single, strict=True)),
    }
    return transcripts, translations, units, best


def describe(
    title: str, recording: Utterance, captions: Sequence[Utterance], translator: Translator
) -> list[str]:
    transcripts, translations, units, transcript = measure(captions, recording, translator)
    references, n = units.references, len(units.utterances)
    spoken = {unit.id: str(unit.transcript) for unit in units.utterances}
    tests = {
        test.system: test
        for test in translation_tests(
            references, translations, FRAGMENTS, language=LANGUAGES[1], names=("bleu",)
        )
    }
    cut = cut_units(units.utterances, transcripts["the recording"], transcript)
    rows = []
    for name in (GOLD, SENTENCES, FRAGMENTS):
        scores = translation_scores(references, translations[name], language=LANGUAGES[1], n_total=n)
        pieces = transcripts[GOLD if name == GOLD else "the recording"]
        wer = recognition_scores(spoken, pieces, language=LANGUAGES[0], n_total=n)["wer"]
        cells = [format_score(wer), format_score(scores["bleu"]), format_score(scores["chrf"])]
        rows.append([name, *cells, format_difference(tests.get(name))])
    seconds = recording.audio.seconds if recording.audio else 0.0
    header = ["translated", "WER", "BLEU", "chrF", "BLEU, difference to the last row"]
    return [
        f"## {title}",
        "",
        f"{seconds:.0f} s, {n} of {n} reference segments, {len(transcript.segments)} segments of Whisper.",
        "",
        markdown_table(header, rows),
        "",
        compare_cut_units(units, translations, cut),
        "",
        f"BLEU `{units.sign(scores['bleu'].signature)}`, WER `{units.sign(wer.signature)}`",
        "",
    ]


def compare_cut_units(units: ScoringUnits, translations: dict[str, Texts], ids: Sequence[str]) -> str:
    """A sentence on the segments of the reference that Whisper's segments cut in two."""
    references = {key: units.references[key] for key in ids}
    systems = {name: {key: translations[name][key] for key in ids} for name in (FRAGMENTS, SENTENCES)}
    tests = translation_tests(references, systems, FRAGMENTS, language=LANGUAGES[1], names=("bleu", "chrf"))
    differences = [f"{test.metric} {format_difference(test)}" for test in tests]
    return (
        f"Of the {len(ids)} reference segments in which one of Whisper's ends, *{SENTENCES}* against "
        f"*{FRAGMENTS}*: {'; '.join(differences)}."
    )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality long-recording", description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    captions = load_captions()
    translator = build(TranslationConfig(device="cpu"))
    lines = [
        "# Long recordings: sentences joined before translation",
        "",
        "`python -m benchmarks.quality long-recording`: spoken captions (50 of Multi30k's test_2016_flickr, "
        "and those of the sample set) joined to one recording in a fixed random order, 0.3 to 2 s of silence "
        "between them; Whisper base, beam 5, `packaged:multi30k-en-de`, beam 5. *Gold segments*: every "
        "caption was recognized and translated by itself. The other rows translate one transcript of the "
        "whole recording: its sentences across Whisper's segments (what `translate` does), or each of these "
        "segments as if it were a text. Their output is cut to the reference segments by word edits. 95% "
        "intervals over segments; one recording of each kind, so they say nothing of other orders.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for title, hesitant in (("Pauses between sentences", False), ("Pauses inside them, too", True)):
            recording = join(captions, Path(folder), f"talk-{int(hesitant)}", hesitant=hesitant)
            lines += describe(title, recording, captions, translator)
    text = "\n".join(lines).rstrip() + "\n"
    options.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
