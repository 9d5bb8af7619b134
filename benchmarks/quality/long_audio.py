"""Long audio, Whisper base greedy: Antiphon against openai-whisper's ``transcribe``, in several orders.

Recordings of one language are joined to one of two to three minutes, in the manifest's order and in shuffled
ones: one order alone says little, because where a window begins decides about whole sentences.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.openai_transcripts import transcribe_with_openai
from benchmarks.common.recordings import join_recordings, load_recordings
from benchmarks.common.sections import Result, section_parser
from benchmarks.common.word_errors import recordings_of, word_error_rates
from components.records import Utterance

PAGE = "long-audio"
MODEL = "packaged:whisper-base"
ORDERS = {"en": 4, "de": 3}


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    return section_parser("benchmarks.quality long-audio", __doc__)


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What both write about each joined recording."""
    del options
    warnings.filterwarnings("ignore")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for language, order, utterance in long_recordings(Path(folder)):
            lists, _ = recognize_cached({"model": MODEL, "beam_size": 1, "n_best": 1}, [utterance])
            texts = {
                "openai-whisper": transcribe_with_openai(MODEL, [utterance])["texts"][0],
                "Antiphon": lists[utterance.id].best.text,
            }
            recording = recordings_of([utterance])
            wer = {name: word_error_rates(recording, [text])[language] for name, text in texts.items()}
            rows.append({**recording[0], "order": order, "wer": wer, "texts": texts})
            print(language, order, flush=True)
    yield Result("texts", rows, [MODEL])


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
