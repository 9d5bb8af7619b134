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
from benchmarks.common.recordings import decode_audio, load_recordings, seconds_of
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
SUBSET = 10
"""Every so-manieth recording is timed."""
ROUNDS = 3
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
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    model = load_whisper(resolve(name))
    for utterance in utterances:
        if utterance.id not in known:
            known[utterance.id] = transcribe(model, utterance, word_timestamps=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known), encoding="utf-8")
    return {u.id: [(text, start, end) for text, start, end in known[u.id]] for u in utterances}


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
        for label, wanted in ((ANTIPHON, False), (ANTIPHON_WORDS, True)):
            settings = {"model": name, "beam_size": 1, "n_best": 1, "device": "cpu", "word_times": wanted}
            recognizer = build(RecognitionConfig.model_validate(settings))
            calls[label] = partial(recognizer.recognize, list(utterances))
        for label, wanted in ((OPENAI, False), (OPENAI_WORDS, True)):
            calls[label] = partial(lambda w: [transcribe(model, u, w) for u in utterances], wanted)
        quick = {label: calls[label] for label in (ANTIPHON, ANTIPHON_WORDS)}
        slow = {label: calls[label] for label in (OPENAI, OPENAI_WORDS)}
        spent = measure(quick, 2 * ROUNDS, seconds=1) | measure(slow, ROUNDS, seconds=1)
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
    parser.add_argument("--limit", type=int, help="the first so many recordings")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    rows, costs, seconds = [], [], 0.0
    for name, language in MODELS.items():
        utterances = load_recordings(language)[: options.limit]
        seconds = max(seconds, seconds_of(utterances))
        theirs = transcribe_all(name, utterances)
        for way, more in WAYS.items():
            settings = {"model": name, "beam_size": 1, "n_best": 1, "word_times": True, **more}
            lists, _ = recognize_cached(settings, utterances)
            ours = {u.id: words_of(lists[u.id].best) for u in utterances}
            rows.append([name, way, *compare(ours, theirs)])
            print(" | ".join(rows[-1]), flush=True)
        subset = utterances[::SUBSET]
        costs.append([name, str(len(subset)), *cost_cells(measure_costs(name, subset))])
    options.out.write_text("\n".join(page(rows, costs, seconds)) + "\n", encoding="utf-8")
    print("\n".join(page(rows, costs, seconds)))


def page(rows: list[list[str]], costs: list[list[str]], seconds: float) -> list[str]:
    limits = ["equal", *(f"within {round(1000 * limit)} ms" for limit in LIMITS[1:])]
    return [
        "# Word times beside openai-whisper's",
        "",
        f"`python -m benchmarks.quality word-times`: the human recordings ({seconds:.0f} s), language given, "
        "greedy, float32, one thread. openai-whisper: `transcribe(word_timestamps=True, "
        "condition_on_previous_text=False)`. Compared are recordings in which both write the same words; a "
        "word counts with the larger of the differences of its start and its end. *All of the padding*: "
        "`padding_stride=1`.",
        "",
        markdown_table(["model", "padding", "same words", "words", *limits, "largest, s"], rows),
        "",
        "What it costs: CPU seconds for every "
        f"{SUBSET}th recording, median of rounds, with word times; *ratio*: to the same without them, median "
        "over rounds in which both ran one after the other.",
        "",
        markdown_table(["model", "recordings", "Antiphon, s", "ratio", "openai-whisper, s", "ratio"], costs),
    ]
