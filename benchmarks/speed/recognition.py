"""Whisper base: Antiphon against openai-whisper and faster-whisper, interleaved in one process.

Two forms of the same English recordings: as they are (short utterances) and joined to one long recording.
CPU seconds of the whole process on one thread (``--threads 1``) and wall seconds on two (``--threads 2``),
each ratio the median over rounds; the two may be measured apart. Every system gets decoded audio but ours,
which reads its files.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.recordings import decode_audio, join_recordings, load_recordings, seconds_of
from benchmarks.common.sections import Result, option
from benchmarks.pages.speed_recognition import (
    BASE,
    BEAM,
    COMMAND_LINE,
    FASTER,
    FASTER_INT8,
    GREEDY,
    HALF,
    HALF_BEAM,
    INT8,
    PARTS,
)
from components.metrics.error_rates.recognition import recognition_scores
from components.models import resolve
from components.records import NBest, Utterance

PAGE = "speed-recognition"
MODEL = "packaged:whisper-base"
BATCH = 8
WHOLE = "Antiphon float32, greedy, all of the padding"
EVERY_ROUND = (BASE, GREEDY, FASTER)
"""Measured in every round, form and clock; the rest once, in CPU seconds."""
LONG = (*EVERY_ROUND, INT8, FASTER_INT8)
Run = Callable[[Sequence[Utterance]], list[str]]
OPTIONS = {
    "rounds": option(3),
    "limit": option(int, "recordings at most (default: all English ones)"),
    "threads": option((1, 2), choices=(1, 2)),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Both forms of the recordings, on one thread and on two."""
    warnings.filterwarnings("ignore")
    spoken = load_recordings("en")[: options.limit]
    with tempfile.TemporaryDirectory() as folder:
        forms = {
            f"{len(spoken)} recordings, {seconds_of(spoken):.0f} s": spoken,
            "the same joined to one": [join_recordings(spoken, Path(folder) / "joined.flac")],
        }
        for threads in options.threads:
            measured = [
                {"title": title, "systems": measure_form(form, options.rounds, threads)}
                for title, form in forms.items()
            ]
            yield Result(list(PARTS)[threads - 1], {"forms": measured}, [MODEL])


def antiphon(dtype: str, beam: int, **more: int) -> Run:
    """A recognizer of ours."""
    from components.recognition.config import RecognitionConfig
    from components.recognition.factory import build

    settings = {"model": MODEL, "dtype": dtype, "beam_size": beam, "n_best": beam, **more}
    machine = build(RecognitionConfig.model_validate({**settings, "batch_size": BATCH, "device": "cpu"}))

    def run(utterances: Sequence[Utterance]) -> list[str]:
        return [o.best.text if isinstance(o, NBest) else "" for o in machine.recognize(utterances)]

    return run


def openai(**options: object) -> Run:
    """openai-whisper with its options."""
    import whisper

    from components.models.loaders.whisper_loading import load_whisper

    model = load_whisper(resolve(MODEL))
    options["fp16"] = False

    def run(utterances: Sequence[Utterance]) -> list[str]:
        texts = []
        for u in utterances:
            result = whisper.transcribe(model, decode_audio(u), language=u.source_language, **options)
            texts.append(result["text"])
        return texts

    return run


def faster(compute: str, threads: int) -> Run:
    """faster-whisper's batched pipeline."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    folder = Path(resolve(MODEL).path) / "ct2"
    model = WhisperModel(str(folder), device="cpu", compute_type=compute, cpu_threads=threads)
    pipeline = BatchedInferencePipeline(model)

    def text(utterance: Utterance) -> str:
        segments, _ = pipeline.transcribe(
            decode_audio(utterance),
            batch_size=BATCH,
            language=utterance.source_language,
            beam_size=1,
            without_timestamps=False,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text.strip() for segment in segments)

    return lambda utterances: [text(u) for u in utterances]


def load_systems(threads: int) -> dict[str, Run]:
    """Every system, ready to run."""
    command_line = {"beam_size": 5, "best_of": 5, "condition_on_previous_text": True}
    return {
        BASE: openai(condition_on_previous_text=False),
        GREEDY: antiphon("float32", 1),
        HALF: antiphon("bfloat16", 1),
        INT8: antiphon("int8", 1),
        FASTER: faster("float32", threads),
        FASTER_INT8: faster("int8", threads),
        COMMAND_LINE: openai(**command_line),
        BEAM: antiphon("float32", 5),
        HALF_BEAM: antiphon("bfloat16", 5),
        WHOLE: antiphon("float32", 1, padding_stride=1),
    }


def measure_form(utterances: list[Utterance], rounds: int, threads: int) -> dict[str, dict[str, Any]]:
    """System -> its texts, the seconds of every round (CPU on one thread, else wall), and what follows."""
    import torch

    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    runs = load_systems(threads)
    if len(utterances) == 1 or threads > 1:
        runs = {name: runs[name] for name in (LONG if threads == 1 else EVERY_ROUND)}
    for run in runs.values():
        run(load_recordings("en")[:2])
    results: dict[str, dict[str, Any]] = {name: {"seconds": [], "texts": []} for name in runs}
    for number in range(rounds):
        order = list(runs) if number % 2 == 0 else list(reversed(runs))
        for name in order:
            if number and name not in EVERY_ROUND:
                continue
            start = clock()
            results[name]["texts"] = runs[name](utterances)
            results[name]["seconds"].append(clock() - start)
            print(f"{threads} threads, round {number + 1}: {clock() - start:8.2f} s  {name}", flush=True)
    return {name: {**summarize(results, name, utterances), **result} for name, result in results.items()}


def summarize(
    results: dict[str, dict[str, Any]], name: str, utterances: Sequence[Utterance]
) -> dict[str, float | int]:
    """Median seconds, rounds, WER, and the ratios that the page states."""
    seconds = results[name]["seconds"]
    summary: dict[str, float | int] = {
        "median": statistics.median(seconds),
        "rounds": len(seconds),
        "times": ratio(results, name, BASE),
        "wer": error_rate(utterances, results[name]["texts"]),
    }
    if (peer := {GREEDY: FASTER, INT8: FASTER_INT8}.get(name)) in results:
        summary["of_faster"] = 1 / ratio(results, name, peer)
    if name in {BEAM, HALF_BEAM} and COMMAND_LINE in results:
        summary["of_command_line"] = ratio(results, name, COMMAND_LINE)
    return summary


def error_rate(utterances: Sequence[Utterance], texts: Sequence[str]) -> float:
    """WER in percent, of the recordings that have a transcript."""
    said = {u.id: u.transcript for u in utterances if u.transcript is not None}
    written = {u.id: text.strip() for u, text in zip(utterances, texts, strict=True) if u.id in said}
    return recognition_scores(said, written, language="en", n_total=len(said))["wer"].value


def ratio(results: dict[str, dict[str, Any]], name: str, base: str) -> float:
    """How many times less ``name`` takes than ``base``: the median over the rounds that both have."""
    pairs = zip(results[name]["seconds"], results[base]["seconds"], strict=False)
    return statistics.median(b / a for a, b in pairs)
