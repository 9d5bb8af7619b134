"""Where does the speed of recognition come from: the padding of short recordings in fewer positions."""

from __future__ import annotations

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph
from benchmarks.common.word_errors import scored_columns

ALL, DEFAULT, CUT = "beam 1, all positions", "beam 1, every 4.", "beam 1, window of 15 s"
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
    recordings, systems = measurements["texts"]["recordings"], measurements["texts"]["systems"]
    seconds, drifts, rows = measurements["seconds"], measurements["drift"], []
    for system, row in systems.items():
        search, way = system.split(", ")
        drift = f"{drifts[way]['mean']:.1f} ({drifts[way]['most']:.1f})"
        cells = [f"{seconds[system]:.0f}", drift, str(row["same"])]
        rates = (f"{rate:.2f}" for rate in row["wer"].values())
        rows.append(["greedy" if search == "beam 1" else search, way, *cells, *rates])
    n, total = len(recordings), sum(r["seconds"] for r in recordings)
    header = ["search", "padding", "CPU s", "drift", "same text", *scored_columns(recordings)]
    return "\n\n".join(
        [
            "# Padding in fewer positions, Whisper base",
            f"{_result(measurements)}.",
            one_paragraph(PROTOCOL.format(n=n, total=total)),
            markdown_table(header, rows),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "Where does the speed come from?", _result(measurements)


def _result(measurements: Measurements) -> str:
    seconds, systems = measurements["seconds"], measurements["texts"]["systems"]
    return (
        "Whisper pads each recording to 30 s with silence. Antiphon computes one padded position in four and "
        f"lets it count four times: {seconds[DEFAULT]:.0f} CPU s instead of {seconds[ALL]:.0f} for "
        f"{len(measurements['texts']['recordings'])} recordings, greedy, and the same text on "
        f"{systems[DEFAULT]['same']} of them; a window cut to 15 s keeps {systems[CUT]['same']}"
    )
