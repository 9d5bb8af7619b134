"""Whisper base: Antiphon against openai-whisper and faster-whisper, interleaved in one process.

Two forms of the same English recordings: as they are (short utterances) and joined to one long recording.
CPU seconds of the whole process on one thread (``--threads 1``) and wall seconds on two (``--threads 2``),
each ratio the median over rounds. What was measured is kept beside the page, so the two can be run apart.
Every system gets decoded audio but ours, which reads its files.
"""

from __future__ import annotations

import argparse
import json
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

from benchmarks.common.paths import RESULTS
from benchmarks.common.recordings import decode_audio, join_recordings, load_recordings, seconds_of
from components.metrics.recognition import recognition_scores
from components.models import resolve
from components.models.loading import load_whisper
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import NBest, Utterance

MODEL = "packaged:whisper-base"
OUT = RESULTS / "speed-recognition.md"
BATCH = 8
BASE = "openai-whisper transcribe, greedy"
COMMAND_LINE = "openai-whisper command line (beam 5, best of 5)"
GREEDY, BEAM = "Antiphon float32, greedy", "Antiphon float32, beam 5"
WHOLE = "Antiphon float32, greedy, all of the padding"
HALF_BEAM = "Antiphon bfloat16, beam 5"
FASTER = "faster-whisper float32 batched, greedy"
EVERY_ROUND = (BASE, GREEDY, FASTER)
"""Measured in every round, form and clock; the rest once, in CPU seconds."""
Run = Callable[[Sequence[Utterance]], list[str]]


def antiphon(dtype: str, beam: int, **more: int) -> Run:
    settings = {"model": MODEL, "dtype": dtype, "beam_size": beam, "n_best": beam, **more}
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
            result = whisper.transcribe(model, decode_audio(u), language=u.source_language, **options)
            found.append(result["text"])
        return found

    return run


def faster(compute: str, threads: int) -> Run:
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
    command_line = {"beam_size": 5, "best_of": 5, "condition_on_previous_text": True}
    return {
        BASE: openai(condition_on_previous_text=False),
        GREEDY: antiphon("float32", 1),
        "Antiphon bfloat16, greedy": antiphon("bfloat16", 1),
        "Antiphon int8, greedy": antiphon("int8", 1),
        FASTER: faster("float32", threads),
        COMMAND_LINE: openai(**command_line),
        BEAM: antiphon("float32", 5),
        HALF_BEAM: antiphon("bfloat16", 5),
        WHOLE: antiphon("float32", 1, padding_stride=1),
    }


def measure(utterances: list[Utterance], rounds: int, threads: int) -> dict[str, dict]:
    """System -> its texts and the seconds of every round: CPU on one thread, wall on several."""
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    runs = load_systems(threads)
    if len(utterances) == 1 or threads > 1:
        runs = {name: runs[name] for name in EVERY_ROUND}
    for run in runs.values():
        run(load_recordings("en")[:2])
    results: dict[str, dict] = {name: {"seconds": [], "texts": []} for name in runs}
    for number in range(rounds):
        order = list(runs) if number % 2 == 0 else list(reversed(runs))
        for name in order:
            if number and name not in EVERY_ROUND:
                continue
            start = clock()
            results[name]["texts"] = runs[name](utterances)
            results[name]["seconds"].append(clock() - start)
            print(f"{threads} threads, round {number + 1}: {clock() - start:8.2f} s  {name}", flush=True)
    return results


def word_errors(utterances: list[Utterance], texts: list[str]) -> float:
    references = {u.id: u.transcript or "" for u in utterances}
    hypotheses = {u.id: text.strip() for u, text in zip(utterances, texts, strict=True)}
    scores = recognition_scores(references, hypotheses, language="en", n_total=len(utterances))
    return scores["wer"].value


def ratio(results: dict[str, dict], name: str, base: str) -> float:
    """How many times less ``name`` takes than ``base``: the median over the rounds that both have."""
    pairs = zip(results[name]["seconds"], results[base]["seconds"], strict=False)
    return statistics.median(b / a for a, b in pairs)


def format_table(utterances: list[Utterance], parts: dict[str, dict]) -> list[str]:
    """``parts``: threads -> what :func:`measure` found."""
    columns = [
        ("CPU s" if threads == "1" else "wall s", results) for threads, results in sorted(parts.items())
    ]
    head = "".join(f" {clock} | rounds | times faster |" for clock, _ in columns)
    lines = [f"| system |{head} WER |", "|---|" + "---|" * (3 * len(columns) + 1)]
    for name in columns[0][1]:
        line = f"| {name} |"
        for _, results in columns:
            seconds = results[name]["seconds"] if name in results else []
            cells = (
                (f"{statistics.median(seconds):.1f}", f"{ratio(results, name, BASE):.2f}")
                if seconds
                else "--"
            )
            line += f" {cells[0]} | {len(seconds)} | {cells[1]} |"
        lines.append(f"{line} {word_errors(utterances, columns[0][1][name]['texts']):.2f} |")
    for clock, results in columns:
        lines.append(
            f"\n{clock}: {ratio(results, GREEDY, BASE):.2f}x less than openai-whisper (bar 2.3), "
            f"{1 / ratio(results, GREEDY, FASTER):.2f} of faster-whisper float32 (bar 0.95)."
        )
        if COMMAND_LINE in results:
            lines.append(
                f"Beam 5: {ratio(results, BEAM, COMMAND_LINE):.2f}x less than the command line's settings "
                f"(bar 6); bfloat16 {ratio(results, HALF_BEAM, COMMAND_LINE):.2f}x."
            )
    return lines


def format_page(forms: dict[str, list[Utterance]], stored: dict[str, dict], command: str) -> str:
    """The results page of what was kept: threads -> {"machine", "found": form -> system -> ...}."""
    lines = ["# Recognition, Whisper base: speed", "", f"`{command}`:"]
    lines += [f"- {threads} thread(s): {part['machine']}" for threads, part in sorted(stored.items())]
    lines += [
        "",
        f"Batch {BATCH}. CPU s: the process, one thread; wall s: two threads; medians over rounds, ratios "
        "are medians of per-round ratios (rounds that both have). WER in percent, Whisper's English "
        "normalizer. Joined: recordings with a transcript, 0.6 s between them.",
    ]
    for form, utterances in forms.items():
        parts = {threads: part["found"][form] for threads, part in stored.items() if form in part["found"]}
        lines += ["", f"## {form}", "", *format_table(utterances, parts)]
    return "\n".join(lines) + "\n"


def machine() -> str:
    return (
        f"{processor_name()}, {os.cpu_count()} cores, torch {torch.__version__}, load average "
        f"{os.getloadavg()[0]:.1f} at the start"
    )


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.speed recognition", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="recordings at most (default: all English ones)")
    parser.add_argument("--threads", type=int, choices=(1, 2), nargs="+", default=(1, 2))
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    spoken = load_recordings("en")[: options.limit]
    raw = options.out.with_suffix(".json")
    with tempfile.TemporaryDirectory() as folder:
        forms = {
            f"{len(spoken)} recordings, {seconds_of(spoken):.0f} s": spoken,
            "the same joined to one": [join_recordings(spoken, Path(folder) / "joined.flac")],
        }
        stored = json.loads(raw.read_text(encoding="utf-8")) if raw.exists() else {}
        raw.parent.mkdir(parents=True, exist_ok=True)
        for threads in options.threads:
            part = stored[str(threads)] = {"machine": machine(), "found": {}}
            for name, form in forms.items():
                part["found"][name] = measure(form, options.rounds, threads)
                raw.write_text(json.dumps(stored, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        command = f"python -m benchmarks.speed recognition --rounds {options.rounds}"
        command += f" --limit {options.limit}" if options.limit else ""
        options.out.write_text(format_page(forms, stored, f"{command} --threads 1` and `2"), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))
