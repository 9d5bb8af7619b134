"""How fast is recognition on a CPU, beside openai-whisper and faster-whisper?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table
from benchmarks.pages.page import Page

BASE = "openai-whisper transcribe, greedy"
COMMAND_LINE = "openai-whisper command line (beam 5, best of 5)"
GREEDY, BEAM = "Antiphon float32, greedy", "Antiphon float32, beam 5"
HALF_BEAM = "Antiphon bfloat16, beam 5"
INT8, HALF = "Antiphon int8, greedy", "Antiphon bfloat16, greedy"
FASTER, FASTER_INT8 = "faster-whisper float32 batched, greedy", "faster-whisper int8 batched, greedy"
BAR, FASTER_BARS, BEAM_BAR = 0.27, (0.30, 0.6), 0.16
"""Shares of their time at most: of openai-whisper's for short recordings, of faster-whisper's for short ones
and for a long one, of openai-whisper's command line."""
PARTS = {"1 thread": "CPU s", "2 threads": "wall s"}
"""Part -> what its clock counts."""
Systems = Mapping[str, Mapping[str, Any]]


def _blocks(measurements: Measurements) -> list[str]:
    """One table for each form of the recordings."""
    parts = {name: measurements[name] for name in PARTS if name in measurements}
    blocks = []
    for number, form in enumerate(next(iter(parts.values()))["forms"]):
        columns = {PARTS[name]: part["forms"][number]["systems"] for name, part in parts.items()}
        blocks += [f"## {form['title']}", _table(columns), *_bars(columns, number), *_unlike(form["systems"])]
    return blocks


def _result(measurements: Measurements) -> str:
    short, joined = (form["systems"] for form in measurements["1 thread"]["forms"])
    faster = short[FASTER]["median"] / short[GREEDY]["median"]
    rates = ", ".join(f"{joined[name]['wer']:.1f}" for name in (BASE, GREEDY, FASTER))
    return (
        f"Whisper base, short recordings, float32, CPU time at the same WER: openai-whisper takes "
        f"{short[GREEDY]['times']:.1f} times Antiphon's, faster-whisper's batches {faster:.1f} times "
        f"({_rounds(short[GREEDY])}); with beam 5 openai-whisper's command line "
        f"{short[BEAM]['of_command_line']:.1f} times ({_rounds(short[BEAM])}). On one long recording "
        f"openai-whisper takes {joined[GREEDY]['times']:.1f} times, where the WERs differ (openai-whisper, "
        f"Antiphon, faster-whisper: {rates})"
    )


def _rounds(row: Mapping[str, Any]) -> str:
    return "one round" if row["rounds"] == 1 else f"{row['rounds']} rounds"


def _table(columns: Mapping[str, Systems]) -> str:
    header = ["system"]
    for clock in columns:
        header += [clock, "rounds", "times faster"]
    first = next(iter(columns.values()))
    rows = []
    for name in first:
        row = [name]
        for systems in columns.values():
            own = systems.get(name)
            row += (
                [f"{own['median']:.1f}", str(own["rounds"]), f"{own['times']:.2f}"] if own else ["", "", ""]
            )
        rows.append([*row, f"{first[name]['wer']:.2f}"])
    return markdown_table([*header, "WER"], rows)


def _bars(columns: Mapping[str, Systems], form: int) -> list[str]:
    """What was promised before, beside what came out."""
    lines = []
    for clock, systems in columns.items():
        greedy = systems[GREEDY]
        openai = f"{1 / greedy['times']:.2f} of openai-whisper" + (f" (bar {BAR})" if form == 0 else "")
        faster = f"{greedy['of_faster']:.2f} of faster-whisper float32 (bar {FASTER_BARS[form]})"
        lines.append(f"- {clock}: {openai}, {faster}.")
        if FASTER_INT8 in systems:
            lines.append(f"- {clock}, int8: {systems[INT8]['of_faster']:.2f} of faster-whisper int8.")
        if COMMAND_LINE in systems:
            beam, half = (1 / systems[name]["of_command_line"] for name in (BEAM, HALF_BEAM))
            lines.append(
                f"- {clock}, beam 5: {beam:.3f} of the command line's settings (bar {BEAM_BAR}), "
                f"{_rounds(systems[BEAM])}; in bfloat16 {half:.3f}, {_rounds(systems[HALF_BEAM])}."
            )
    return ["\n".join(lines)]


def _unlike(systems: Systems) -> Sequence[str]:
    """A warning where the compared systems do not do the same work."""
    rates = [systems[name]["wer"] for name in (BASE, GREEDY, FASTER)]
    if max(rates) - min(rates) < 1:
        return []
    listed = ", ".join(f"{rate:.1f}" for rate in rates)
    return [
        f"The WERs of openai-whisper, Antiphon and faster-whisper differ here ({listed}): the times are "
        "those of different outputs."
    ]


PAGES = {
    "speed-recognition": Page(
        title="Recognition, Whisper base: speed",
        question="How fast is it on a CPU?",
        result=_result,
        text="""\
{result}.

The same English recordings in two forms: as they are, and joined to one with 0.6 s between them (those with
a transcript). Batches of 8. CPU s: the process, on one thread; wall s: on two threads. Medians over rounds
in which the systems took turns; *times faster* is the median of the ratios to the first row, round by
round. **What has one round only is rough.** WER in percent, Whisper's English normalizer.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
