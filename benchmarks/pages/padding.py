"""Where does the speed of recognition come from: the padding of short recordings in fewer positions."""

from __future__ import annotations

import statistics

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph
from benchmarks.common.word_errors import scored_columns, word_error_rates

ALL, DEFAULT = "all positions", "every 4."
INTRODUCTION = """\
Whisper pads each recording to 30 s with silence. Antiphon computes one padded position in four and lets it
count four times: {seconds:.0f} CPU seconds instead of {whole:.0f} for {n} recordings, greedy, and the same
text on {same} of them. A window that is cut to 15 s keeps {cut}."""
PROTOCOL = """\
{n} human recordings ({total:.0f} s), Antiphon float32, language given. *Every n.*: `asr.padding_stride`; of
a window's padding every n-th position is computed and stands for its neighbors (4 is the default).
*Window*: `asr.window_seconds`; what is longer than it and than the longest recording of the batch is left
out. CPU seconds of the process, one thread, one round. Drift: how far the encoder's states of the speech
are from those of the whole window, in percent of their norm (every fifth recording; mean, and most in
brackets). Same text: as with all positions. WER in percent, over the corpus, by the normalizer of the
language; the columns say how many of how many recordings have a transcript, and its words."""


def page(measurements: Measurements) -> str:
    """One row for each search and padding."""
    recordings, texts = measurements["texts"]["recordings"], measurements["texts"]["texts"]
    seconds, same, rows = measurements["seconds"], count_same_texts(measurements), []
    for system, written in texts.items():
        search, way = system.split(", ")
        rates = (f"{rate:.2f}" for rate in word_error_rates(recordings, written).values())
        cells = [f"{seconds[system]:.0f}", _drift(measurements["drift"][way]), str(same[system])]
        rows.append(["greedy" if search == "beam 1" else search, way, *cells, *rates])
    n, total = len(recordings), sum(r["seconds"] for r in recordings)
    introduction = INTRODUCTION.format(
        seconds=seconds[f"beam 1, {DEFAULT}"],
        whole=seconds[f"beam 1, {ALL}"],
        n=n,
        same=same[f"beam 1, {DEFAULT}"],
        cut=same["beam 1, window of 15 s"],
    )
    header = ["search", "padding", "CPU s", "drift", "same text", *scored_columns(recordings)]
    return "\n\n".join(
        [
            "# Padding in fewer positions, Whisper base",
            one_paragraph(introduction),
            one_paragraph(PROTOCOL.format(n=n, total=total)),
            markdown_table(header, rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    seconds, same = measurements["seconds"], count_same_texts(measurements)
    n = len(measurements["texts"]["recordings"])
    result = (
        "Whisper pads each recording to 30 s; Antiphon computes one padded position in four: "
        f"{seconds[f'beam 1, {DEFAULT}']:.0f} CPU s instead of {seconds[f'beam 1, {ALL}']:.0f} on {n} "
        f"recordings, the same text on {same[f'beam 1, {DEFAULT}']} of them; a window cut to 15 s keeps "
        f"{same['beam 1, window of 15 s']}"
    )
    return "Where does the speed come from?", result


def count_same_texts(measurements: Measurements) -> dict[str, int]:
    """System -> recordings whose text is that of the same search with all positions."""
    texts = measurements["texts"]["texts"]
    counts = {}
    for system, written in texts.items():
        whole = texts[f"{system.split(', ')[0]}, {ALL}"]
        counts[system] = sum(a == b for a, b in zip(written, whole, strict=True))
    return counts


def _drift(distances: list[float]) -> str:
    return f"{statistics.mean(distances):.1f} ({max(distances):.1f})"
