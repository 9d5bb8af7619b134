"""Word times of the human recordings beside openai-whisper's ``transcribe(word_timestamps=True)``."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.common.cached_recognition import cached, recognize_cached
from benchmarks.common.cpu_timer import Spent
from benchmarks.common.cpu_timer import measure as measure_cpu
from benchmarks.common.recordings import decode_audio, load_recordings
from benchmarks.common.sections import Result, option
from benchmarks.pages.word_times import ANTIPHON, ANTIPHON_WORDS, OPENAI, OPENAI_WORDS, Words
from components.models import resolve
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import Hypothesis, Utterance

if TYPE_CHECKING:
    import whisper

PAGE = "word-times"
MODELS = {"packaged:whisper-tiny.en": "en", "packaged:whisper-base": None}
WAYS: dict[str, dict[str, object]] = {"as it is": {}, "all of the padding": {"padding_stride": 1}}
TIMED = 4
"""So many recordings, evenly spaced, are timed."""
ROUNDS = 6
"""Of Antiphon; openai-whisper, which takes ten times as long, is timed once."""
OPTIONS = {
    "every": option(
        [1] * len(MODELS), "every n-th recording, for each of the models", nargs=len(MODELS), metavar="N"
    ),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Model -> the words of both programs; then what they cost."""
    import torch

    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    words: dict[str, dict[str, dict[str, Words]]] = {}
    costs = {}
    for (name, language), every in zip(MODELS.items(), options.every, strict=True):
        utterances = load_recordings(language)[::every]
        words[name] = {OPENAI: transcribe_all(name, utterances)}
        for way, more in WAYS.items():
            settings = {"model": name, "beam_size": 1, "n_best": 1, "word_times": True, "vad": False, **more}
            lists, _ = recognize_cached(settings, utterances)
            words[name][way] = {u.id: words_of(lists[u.id].best) for u in utterances}
            print(name, way, flush=True)
        subset = utterances[:: len(utterances) // TIMED][:TIMED]
        costs[name] = {"recordings": len(subset), "seconds": measure_costs(name, subset)}
    yield Result("words", words, list(MODELS))
    yield Result("costs", costs, list(MODELS))


def transcribe_all(name: str, utterances: Sequence[Utterance]) -> dict[str, Words]:
    """Utterance id -> openai-whisper's words; recording by recording, so that an interrupted run goes on."""
    from components.models.loaders.whisper_loading import load_whisper

    checkpoint = resolve(name)
    model = load_whisper(checkpoint)
    return {
        u.id: cached(
            "openai-words",
            [checkpoint.sha256, u.audio.sha256 if u.audio else "", u.source_language],
            partial(transcribe, model, u, True),
        )
        for u in utterances
    }


def transcribe(model: whisper.Whisper, utterance: Utterance, word_timestamps: bool) -> Words:
    """openai-whisper's words of one recording; none without ``word_timestamps``."""
    import torch
    import whisper

    torch.manual_seed(0)
    result = whisper.transcribe(
        model,
        decode_audio(utterance),
        language=utterance.source_language,
        condition_on_previous_text=False,
        fp16=False,
        word_timestamps=word_timestamps,
    )
    words = [word for segment in result["segments"] for word in segment.get("words", ())]
    return [(word["word"], float(word["start"]), float(word["end"])) for word in words]


def words_of(hypothesis: Hypothesis) -> Words:
    """The words of a transcript."""
    return [(w.text, w.start, w.end) for segment in hypothesis.segments for w in segment.words]


def measure_costs(name: str, utterances: Sequence[Utterance]) -> Spent:
    """CPU seconds of the four ways side by side, round by round."""
    from components.models.loaders.whisper_loading import load_whisper

    model = load_whisper(resolve(name))
    quick: dict[str, Callable[[], object]] = {}
    for label, with_words in ((ANTIPHON, False), (ANTIPHON_WORDS, True)):
        settings = {"model": name, "beam_size": 1, "n_best": 1, "device": "cpu", "word_times": with_words}
        recognizer = build(RecognitionConfig.model_validate(settings))
        quick[label] = partial(recognizer.recognize, list(utterances))
    slow: dict[str, Callable[[], object]] = {
        label: partial(lambda w: [transcribe(model, u, w) for u in utterances], with_words)
        for label, with_words in ((OPENAI, False), (OPENAI_WORDS, True))
    }
    return measure_cpu(quick, ROUNDS, seconds=1) | measure_cpu(slow, 1, seconds=0)
