"""Long audio, Whisper base greedy: Antiphon against openai-whisper's ``transcribe``, in several orders.

Recordings of one language are joined to one of two to three minutes, in the manifest's order and in shuffled
ones: one order alone says little, because where a window begins decides about whole sentences.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import whisper

from benchmarks.common.cached_recognition import CACHE, recognize_cached
from benchmarks.common.paths import RESULTS
from benchmarks.common.recordings import decode_audio, join_recordings, load_recordings
from benchmarks.common.tables import markdown_table
from components.metrics.recognition import recognition_scores
from components.models import resolve
from components.models.loading import load_whisper
from components.records import Utterance

MODEL = "packaged:whisper-base"
OUT = RESULTS / "long-audio.md"
ORDERS = {"en": 4, "de": 3}


def long_recordings(folder: Path) -> Iterator[tuple[str, int, Utterance]]:
    """(language, order, recording): order 0 is the manifest's, the others are shuffled by their number."""
    for language, orders in ORDERS.items():
        for order in range(orders):
            spoken = [
                u for u in load_recordings(language) if u.transcript and u.audio and u.audio.seconds < 30
            ]
            if order:
                random.Random(order).shuffle(spoken)
            yield language, order, join_recordings(spoken, folder / f"{language}-{order}.flac")


def theirs(utterance: Utterance, cache: Path = CACHE) -> str:
    """What openai-whisper writes; kept on disk by the digest of the audio."""
    assert utterance.audio is not None
    path = cache / f"openai-{utterance.audio.sha256[:20]}.json"
    if not path.is_file():
        options = {"fp16": False, "condition_on_previous_text": False, "language": utterance.source_language}
        result = whisper.transcribe(load_whisper(resolve(MODEL)), decode_audio(utterance), **options)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result["text"]), encoding="utf-8")
    return str(json.loads(path.read_text(encoding="utf-8")))


def errors(utterance: Utterance, text: str) -> float:
    references, language = {utterance.id: str(utterance.transcript)}, utterance.source_language
    scores = recognition_scores(references, {utterance.id: text.strip()}, language=language, n_total=1)
    return scores["wer"].value


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality long-audio", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    results: dict[str, list[tuple[float, float]]] = {language: [] for language in ORDERS}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for language, order, utterance in long_recordings(Path(folder)):
            lists, _ = recognize_cached({"model": MODEL, "beam_size": 1, "n_best": 1}, [utterance])
            pair = errors(utterance, theirs(utterance)), errors(utterance, lists[utterance.id].best.text)
            results[language].append(pair)
            seconds = f"{utterance.audio.seconds:.0f}" if utterance.audio else ""
            rows.append([language, str(order), seconds, f"{pair[0]:.2f}", f"{pair[1]:.2f}"])
    for language, pairs in results.items():
        for name, of in (("mean", statistics.mean), ("median", statistics.median)):
            cells = [f"**{of(column):.2f}**" for column in zip(*pairs, strict=True)]
            rows.append([language, name, "", *cells])
    lines = [
        "# Long audio, Whisper base: word errors",
        "",
        "`python -m benchmarks.quality long-audio`: recordings of one language joined to one, 0.6 s between "
        "them, those with a transcript; order 0 is the manifest's, the others are shuffled. Greedy, float32, "
        "language given, no previous text, the same thresholds. WER in percent, the language's normalizer.",
        "",
        markdown_table(["language", "order", "seconds", "openai-whisper", "Antiphon"], rows),
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
