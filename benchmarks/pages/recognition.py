"""Does recognition give the text of openai-whisper's ``transcribe``?"""

from __future__ import annotations

from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph
from benchmarks.common.word_errors import scored_columns, words_by_language

OPENAI = "openai-whisper, greedy"
GREEDY = "Antiphon, greedy, float32"
WHOLE = "Antiphon, greedy, float32, all of the padding"
PROTOCOL = """\
{n} human recordings ({seconds:.0f} s), language given, timestamps, no previous text, the same thresholds
and temperatures. *Same text*: character for character that of the first row. WER in percent, over the
corpus, by the normalizer of the language; the columns say how many of how many recordings have a transcript
and how many words these are. A column of fewer than a hundred words says nothing about a language, only
that both programs do the same. 29 of the 55 English recordings are of one speaker, and 25 of the 27 German
ones."""


def page(measurements: Measurements) -> str:
    """The table of all systems, then every text that differs."""
    values = measurements["texts"]
    recordings, systems = values["recordings"], values["systems"]
    rows = [
        [name, str(row["same"]), *(f"{rate:.2f}" for rate in row["wer"].values())]
        for name, row in systems.items()
    ]
    n, seconds = len(recordings), sum(r["seconds"] for r in recordings)
    return "\n\n".join(
        [
            "# Recognition, Whisper base: the same text as openai-whisper",
            f"**Greedy search writes openai-whisper's text on {systems[GREEDY]['same']} of {n} recordings**, "
            f"on {systems[WHOLE]['same']} where all of the padding is computed (`asr.padding_stride=1`). The "
            "rest is below in full.",
            one_paragraph(PROTOCOL.format(n=n, seconds=seconds)),
            markdown_table(["system", "same text", *scored_columns(recordings)], rows),
            "## Differences of greedy, float32",
            "\n".join(map(_describe, values["differences"])),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    values = measurements["texts"]
    recordings, systems = values["recordings"], values["systems"]
    words = words_by_language(recordings)
    ours, theirs = systems[GREEDY]["wer"], systems[OPENAI]["wer"]
    rates = [
        f"{name} {ours[code]:.1f} against {theirs[code]:.1f} ({words[code]} words)"
        for code, name in (("en", "English"), ("de", "German"))
    ]
    result = (
        f"the same on {systems[GREEDY]['same']} of {len(recordings)} human recordings "
        f"({systems[WHOLE]['same']} with `asr.padding_stride=1`); WER in {' and '.join(rates)}"
    )
    return "Does recognition give the text of openai-whisper's `transcribe`?", result


def _describe(difference: dict[str, Any]) -> str:
    """One recording with both texts."""
    ours, theirs = difference["temperatures"]
    return (
        f"- `{difference['id']}` (temperature ours {ours:.1f}, theirs {theirs:.1f})\n"
        f"  - ours: {difference['ours']}\n"
        f"  - theirs: {difference['theirs']}"
    )
