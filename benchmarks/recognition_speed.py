"""Whisper base: Antiphon against openai-whisper and faster-whisper, interleaved in one process.

Two forms of the same English recordings: as they are (short utterances) and joined to one long recording.
Single-thread CPU seconds of the whole process and wall seconds with two threads, each the median of the
per-round ratios to openai-whisper's greedy ``transcribe``. Every system gets decoded audio but ours, which
reads its files.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import whisper
from faster_whisper import BatchedInferencePipeline, WhisperModel

from benchmarks.recordings import joined, recordings, samples_of, seconds_of
from components.metrics import recognition_scores
from components.models import resolve
from components.models.loading import load_whisper
from components.recognition import RecognitionConfig, build
from components.records import NBest, Utterance

MODEL = "packaged:whisper-base"
OUT = Path(__file__).parents[1] / "docs" / "results" / "speed-recognition.md"
BATCH = 8
BASE = "openai-whisper transcribe, greedy"
COMMAND_LINE = "openai-whisper command line (beam 5, best of 5)"
Run = Callable[[Sequence[Utterance]], list[str]]


def antiphon(dtype: str, beam: int, backend: str = "whisper") -> Run:
    settings = {"model": MODEL, "dtype": dtype, "beam_size": beam, "n_best": beam, "backend": backend}
    machine = build(RecognitionConfig.model_validate({**settings, "batch_size": BATCH, "device": "cpu"}))

    def run(utterances: Sequence[Utterance]) -> list[str]:
        return [o.best.text if isinstance(o, NBest) else "" for o in machine.recognize(utterances)]

    return run


def openai(**options: object) -> Run:
    model = load_whisper(resolve(MODEL))
    options["fp16"] = False

    def run(utterances: Sequence[Utterance]) -> list[str]:
        found = []
        for u in utterances:
            result = whisper.transcribe(model, samples_of(u), language=u.source_language, **options)
            found.append(result["text"])
        return found

    return run


def faster(compute: str, threads: int) -> Run:
    folder = Path(resolve(MODEL).path) / "ct2"
    model = WhisperModel(str(folder), device="cpu", compute_type=compute, cpu_threads=threads)
    pipeline = BatchedInferencePipeline(model)

    def text(utterance: Utterance) -> str:
        segments, _ = pipeline.transcribe(
            samples_of(utterance),
            batch_size=BATCH,
            language=utterance.source_language,
            beam_size=1,
            without_timestamps=False,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text.strip() for segment in segments)

    return lambda utterances: [text(u) for u in utterances]


def systems(threads: int) -> dict[str, Run]:
    command_line = {"beam_size": 5, "best_of": 5, "condition_on_previous_text": True}
    return {
        BASE: openai(condition_on_previous_text=False),
        "Antiphon float32, greedy": antiphon("float32", 1),
        "Antiphon bfloat16, greedy": antiphon("bfloat16", 1),
        "Antiphon int8, greedy": antiphon("int8", 1),
        "faster-whisper float32 batched, greedy": faster("float32", threads),
        "faster-whisper int8 batched, greedy": faster("int8", threads),
        COMMAND_LINE: openai(**command_line),
        "Antiphon float32, beam 5": antiphon("float32", 5),
    }


def measure(utterances: list[Utterance], rounds: int, threads: int) -> tuple[dict[str, list[float]], dict]:
    """Seconds of every round and the texts: CPU seconds on one thread, wall seconds on several."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    runs = systems(threads)
    for run in runs.values():
        run(utterances[:2] if len(utterances) > 1 else utterances)
    spent: dict[str, list[float]] = {name: [] for name in runs}
    texts: dict[str, list[str]] = {}
    for number in range(rounds):
        order = list(runs) if number % 2 == 0 else list(reversed(runs))
        for name in order:
            if number and name == COMMAND_LINE:  # as long as all others together: once
                continue
            start = clock()
            texts[name] = runs[name](utterances)
            spent[name].append(clock() - start)
            print(f"{threads} threads, round {number + 1}: {spent[name][-1]:8.2f} s  {name}", flush=True)
    return spent, texts


def word_errors(utterances: list[Utterance], texts: list[str]) -> float:
    references = {u.id: u.transcript or "" for u in utterances}
    hypotheses = {u.id: text.strip() for u, text in zip(utterances, texts, strict=True)}
    scores = recognition_scores(references, hypotheses, language="en", n_total=len(utterances))
    return scores["wer"].value


def ratio(spent: dict[str, list[float]], name: str, base: str) -> float:
    return statistics.median(b / a for a, b in zip(spent[name], spent[base], strict=False))


def table(utterances: list[Utterance], cpu: dict, wall: dict, texts: dict) -> list[str]:
    lines = [
        "| system | CPU s | times faster | wall s | times faster | WER |",
        "|---|---|---|---|---|---|",
    ]
    for name in cpu:
        lines.append(
            f"| {name} | {statistics.median(cpu[name]):.1f} | {ratio(cpu, name, BASE):.2f} "
            f"| {statistics.median(wall[name]):.1f} | {ratio(wall, name, BASE):.2f} "
            f"| {word_errors(utterances, texts[name]):.2f} |"
        )
    ours, beam = "Antiphon float32, greedy", "Antiphon float32, beam 5"
    fast, line = "faster-whisper float32 batched, greedy", COMMAND_LINE
    for what, spent in (("CPU", cpu), ("wall", wall)):
        lines.append(
            f"\n{what}: {ratio(spent, ours, BASE):.2f}x less than openai-whisper (bar 2.3), "
            f"{1 / ratio(spent, ours, fast):.2f} of faster-whisper float32 (bar 0.95), "
            f"beam 5 {ratio(spent, beam, line):.2f}x less than the command line's settings (bar 6)."
        )
    return lines


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.speed recognition", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="recordings at most (default: all English ones)")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    spoken = recordings("en")[: options.limit]
    with tempfile.TemporaryDirectory() as folder:
        forms = {
            f"{len(spoken)} recordings, {seconds_of(spoken):.0f} s": spoken,
            "the same joined to one": [joined(spoken, Path(folder) / "joined.flac")],
        }
        lines = [
            "# Recognition, Whisper base: speed",
            "",
            f"`python -m benchmarks.speed recognition --rounds {options.rounds}"
            f"{f' --limit {options.limit}' if options.limit else ''}`; {processor()}, "
            f"{os.cpu_count()} cores, torch {torch.__version__}, load average {os.getloadavg()[0]:.1f} at "
            f"the start. Batch {BATCH}. CPU s: the process, one thread; wall s: two threads; medians over "
            "rounds, ratios are medians of per-round ratios. WER in percent, Whisper's English normaliser.",
        ]
        for name, utterances in forms.items():
            cpu, texts = measure(utterances, options.rounds, 1)
            wall, _ = measure(utterances, options.rounds, 2)
            lines += ["", f"## {name}", "", *table(utterances, cpu, wall, texts)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
