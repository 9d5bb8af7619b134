"""Shorter windows for short recordings (``asr.window_seconds``): what they save and what they cost in WER."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.hearing import heard
from benchmarks.recognition_quality import errors
from benchmarks.recordings import recordings, seconds_of
from benchmarks.tables import markdown

MODEL = "packaged:whisper-base"
OUT = Path(__file__).parents[1] / "docs" / "results" / "windows.md"
WINDOWS = (30.0, 15.0, 10.0)
BEAMS = (1, 5)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality windows", description=__doc__)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    utterances = recordings()[: options.limit]
    rows: list[list[str]] = []
    columns: list[str] = []
    whole: dict[int, list[str]] = {}
    for beam in BEAMS:
        for window in WINDOWS:
            settings = {"model": MODEL, "beam_size": beam, "n_best": 1, "window_seconds": window}
            lists, seconds = heard(settings, utterances)
            texts = [lists[u.id].best.text for u in utterances]
            same = sum(a == b for a, b in zip(texts, whole.setdefault(beam, texts), strict=True))
            wer = errors(utterances, texts)
            columns = list(wer)
            name = "greedy" if beam == 1 else f"beam {beam}"
            rows.append([name, f"{window:.0f}", f"{seconds:.0f}", str(same), *wer.values()])
    lines = [
        "# Shorter windows, Whisper base",
        "",
        f"`python -m benchmarks.quality windows`: {len(utterances)} human recordings "
        f"({seconds_of(utterances):.0f} s), `asr.window_seconds` of Antiphon float32, language given. "
        "A window is as long as said or as the longest recording of its batch, whichever is more. "
        "CPU seconds of the process, one thread, the machine shared with other work; same text: as with "
        "30 s. WER in percent, corpus level, the language's normaliser; in brackets the utterances.",
        "",
        markdown(["search", "window, s", "CPU s", "same text", *columns], rows),
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
