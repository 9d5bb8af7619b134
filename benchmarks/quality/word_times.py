"""Word times of the human recordings beside openai-whisper's ``transcribe(word_timestamps=True)``.

What openai-whisper hears is kept recording by recording, so that an interrupted run goes on, and so are the
costs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import whisper

from benchmarks.common.cached_recognition import CACHE, recognize_cached
from benchmarks.common.cpu_timer import Spent, measure, ratio_to_best
from benchmarks.common.paths import RESULTS
from benchmarks.common.recordings import decode_audio, load_recordings
from benchmarks.common.tables import markdown_table
from components.models import resolve
from components.models.loading import load_whisper
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import Hypothesis, Utterance

OUT = RESULTS / "word-times.md"
MODELS = {"packaged:whisper-tiny.en": "en", "packaged:whisper-base": None}
WAYS: dict[str, dict[str, object]] = {"as it is": {}, "all of the padding": {"padding_stride": 1}}
LIMITS = (0.0, 0.02, 0.06, 0.1)
TIMED = 4
"""So many recordings, evenly spaced, are timed."""
ROUNDS = 6
"""Of Antiphon; openai-whisper, which takes ten times as long, is timed once."""
ANTIPHON, ANTIPHON_WORDS = "Antiphon", "Antiphon, word times"
OPENAI, OPENAI_WORDS = "openai-whisper", "openai-whisper, word timestamps"
Words = list[tuple[str, float, float]]
"""Text, start and end of each word."""


def transcribe(model: whisper.Whisper, utterance: Utterance, word_timestamps: bool) -> Words:
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


def transcribe_all(name: str, utterances: Sequence[Utterance], cache: Path = CACHE) -> dict[str, Words]:
    """Utterance id -> openai-whisper's words, from the cache as far as it goes."""
    path = cache / f"openai-word-times-{name.partition(':')[2]}.json"
    transcripts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    model = load_whisper(resolve(name))
    for utterance in utterances:
        if utterance.id not in transcripts:
            transcripts[utterance.id] = transcribe(model, utterance, word_timestamps=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(transcripts), encoding="utf-8")
    return {u.id: [(text, start, end) for text, start, end in transcripts[u.id]] for u in utterances}


def words_of(hypothesis: Hypothesis) -> Words:
    return [(w.text, w.start, w.end) for segment in hypothesis.segments for w in segment.words]


def compare(ours: dict[str, Words], theirs: dict[str, Words]) -> list[str]:
    """Cells: recordings with the same words, words, shares within the limits, largest difference."""
    same = [key for key in theirs if [w[0] for w in ours[key]] == [w[0] for w in theirs[key]]]
    differences = [
        max(abs(a[1] - b[1]), abs(a[2] - b[2]))
        for key in same
        for a, b in zip(ours[key], theirs[key], strict=True)
    ]
    count = len(differences)
    shares = (sum(d <= limit + 1e-6 for d in differences) / max(count, 1) for limit in LIMITS)
    largest = max(differences, default=0.0)
    return [f"{len(same)} of {len(theirs)}", str(count), *(f"{s:.1%}" for s in shares), f"{largest:.2f}"]


def measure_costs(name: str, utterances: Sequence[Utterance], cache: Path = CACHE) -> Spent:
    """CPU seconds of the four ways side by side, from the cache if they are there."""
    path = cache / f"word-times-cost-{name.partition(':')[2]}-{len(utterances)}.json"
    if not path.is_file():
        model = load_whisper(resolve(name))
        calls: dict[str, Callable[[], object]] = {}
        for label, with_words in ((ANTIPHON, False), (ANTIPHON_WORDS, True)):
            settings = {"model": name, "beam_size": 1, "n_best": 1, "device": "cpu", "word_times": with_words}
            recognizer = build(RecognitionConfig.model_validate(settings))
            calls[label] = partial(recognizer.recognize, list(utterances))
        for label, with_words in ((OPENAI, False), (OPENAI_WORDS, True)):
            calls[label] = partial(lambda w: [transcribe(model, u, w) for u in utterances], with_words)
        quick = {label: calls[label] for label in (ANTIPHON, ANTIPHON_WORDS)}
        slow = {label: calls[label] for label in (OPENAI, OPENAI_WORDS)}
        spent = measure(quick, ROUNDS, seconds=1) | measure(slow, 1, seconds=0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(spent), encoding="utf-8")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def cost_cells(spent: Spent) -> list[str]:
    """Seconds with word times, and the ratio to the same without them, of both programs."""
    cells = []
    for with_words, without in ((ANTIPHON_WORDS, ANTIPHON), (OPENAI_WORDS, OPENAI)):
        ratio = ratio_to_best(spent, with_words, [without])
        cells += [f"{statistics.median(spent[with_words]):.1f}", f"{ratio:.2f}"]
    return cells


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality word-times", description=__doc__)
    parser.add_argument(
        "--every", type=int, nargs=len(MODELS), default=[1] * len(MODELS), metavar="N",
        help="every n-th recording, for each of the models",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    rows, costs = [], []
    for (name, language), every in zip(MODELS.items(), options.every, strict=True):
        utterances = load_recordings(language)[::every]
        theirs = transcribe_all(name, utterances)
        for way, more in WAYS.items():
            settings = {"model": name, "beam_size": 1, "n_best": 1, "word_times": True, **more}
            lists, _ = recognize_cached(settings, utterances)
            ours = {u.id: words_of(lists[u.id].best) for u in utterances}
            rows.append([name, way, *compare(ours, theirs)])
            print(" | ".join(rows[-1]), flush=True)
        subset = utterances[:: len(utterances) // TIMED][:TIMED]
        costs.append([name, str(len(subset)), *cost_cells(measure_costs(name, subset))])
    lines = page(rows, costs, "".join(f" {argument}" for argument in arguments))
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def page(rows: list[list[str]], costs: list[list[str]], options: str) -> list[str]:
    limits = ["equal", *(f"within {round(1000 * limit)} ms" for limit in LIMITS[1:])]
    return [
        "# Word times beside openai-whisper's",
        "",
        f"`python -m benchmarks.quality word-times{options}`: human recordings (tiny.en: the English ones), "
        "language given, greedy, float32, one thread. openai-whisper: `transcribe(word_timestamps=True, "
        "condition_on_previous_text=False)`. Compared are recordings in which both write the same words; a "
        "word counts with the larger of the differences of its start and its end. *All of the padding*: "
        "`padding_stride=1`.",
        "",
        markdown_table(["model", "padding", "same words", "words", *limits, "largest, s"], rows),
        "",
        f"What it costs: CPU seconds for {TIMED} of the recordings with word times; *ratio*: to the same "
        f"without them. Antiphon: median of {ROUNDS} rounds in which both ran one after the other; "
        "openai-whisper: one round.",
        "",
        markdown_table(["model", "recordings", "Antiphon, s", "ratio", "openai-whisper, s", "ratio"], costs),
    ]
