"""Pages of recognition's quality: the same text as openai-whisper, silence, padding, long audio."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_share, markdown_table, one_paragraph
from benchmarks.common.word_errors import scored_columns, words_by_language
from benchmarks.pages.page import Page, part

OPENAI = "openai-whisper, greedy"
GREEDY = "Antiphon, greedy, float32"
WHOLE = "Antiphon, greedy, float32, all of the padding"
DEFAULT_SEARCH = "beam 5 (the default)"
ALL, STRIDE, CUT = "beam 1, all positions", "beam 1, every 4.", "beam 1, window of 15 s"
BOTH = ("openai-whisper", "Antiphon")
LANGUAGES = {"en": "English", "de": "German"}
RULE = """\
A window is silence when the model's no-speech probability is above 0.6 and either its text is improbable
(openai-whisper's rule) or voice activity detection finds no voice in it (`asr.vad`); a text without a
letter or digit is none."""
Rates = dict[str, list[tuple[float, ...]]]


def _same_text(values: Any) -> str:
    recordings, systems = values["recordings"], values["systems"]
    words = words_by_language(recordings)
    ours, theirs = systems[GREEDY]["wer"], systems[OPENAI]["wer"]
    rates = [
        f"{name} {ours[code]:.1f} against {theirs[code]:.1f} ({words[code]} words)"
        for code, name in LANGUAGES.items()
    ]
    return (
        f"the same on {systems[GREEDY]['same']} of {len(recordings)} human recordings "
        f"({systems[WHOLE]['same']} with `asr.padding_stride=1`); WER in {' and '.join(rates)}"
    )


def _same_text_facts(values: Any) -> dict[str, Any]:
    recordings, systems = values["recordings"], values["systems"]
    same = {"greedy": systems[GREEDY]["same"], "whole": systems[WHOLE]["same"]}
    return {"n": len(recordings), "seconds": sum(r["seconds"] for r in recordings), **same}


def _same_text_blocks(values: Any) -> list[str]:
    """The table of all systems, then every text that differs."""
    rows = [
        [name, str(row["same"]), *(f"{rate:.2f}" for rate in row["wer"].values())]
        for name, row in values["systems"].items()
    ]
    return [
        markdown_table(["system", "same text", *scored_columns(values["recordings"])], rows),
        "## Differences of greedy, float32",
        "\n".join(map(_describe_difference, values["differences"])),
    ]


def _describe_difference(difference: Mapping[str, Any]) -> str:
    """One recording with both texts."""
    ours, theirs = difference["temperatures"]
    return (
        f"- `{difference['id']}` (temperature ours {ours:.1f}, theirs {theirs:.1f})\n"
        f"  - ours: {difference['ours']}\n"
        f"  - theirs: {difference['theirs']}"
    )


def _non_speech(values: Any) -> str:
    first = values["systems"][DEFAULT_SEARCH]
    sounds, recordings = (format_share(*first[part]) for part in ("sounds", "recordings"))
    return f"about sounds without speech in {sounds}; about human recordings in {recordings}"


def _non_speech_facts(values: Any) -> dict[str, Any]:
    first = values["systems"][DEFAULT_SEARCH]
    return {
        "sounds": first["sounds"][1],
        "kinds": ", ".join(values["kinds"]),
        "lengths": ", ".join(f"{s:g}" for s in values["seconds"]),
        "word": values["word_seconds"],
        "words": first["words"][1],
        "recordings": len(values["recordings"]),
    }


def _non_speech_blocks(values: Any) -> list[str]:
    """The table, the rule, and what was written wrongly."""
    rows, wrong = [], []
    for name, row in values["systems"].items():
        counts = [format_share(*row[part]) for part in ("sounds", "words", "recordings")]
        rows.append([name, *counts, *(f"{rate:.2f}" for rate in row["wer"].values())])
        wrong += [f"- {name}, {sound}: {text[:60]}" for sound, text in row["wrong"].items()]
    return [
        markdown_table(
            ["search", "sounds", "words", "recordings", *scored_columns(values["recordings"])], rows
        ),
        one_paragraph(RULE),
        "## What was written about sounds without speech",
        "\n".join(wrong) or "Nothing.",
    ]


def _padding(measurements: Measurements) -> str:
    seconds, systems = measurements["seconds"], measurements["texts"]["systems"]
    return (
        "Whisper pads each recording to 30 s with silence. Antiphon computes one padded position in four and "
        f"lets it count four times: {seconds[STRIDE]:.0f} CPU s instead of {seconds[ALL]:.0f} for "
        f"{len(measurements['texts']['recordings'])} recordings, greedy, and the same text on "
        f"{systems[STRIDE]['same']} of them; a window cut to 15 s keeps {systems[CUT]['same']}"
    )


def _padding_facts(measurements: Measurements) -> dict[str, Any]:
    recordings = measurements["texts"]["recordings"]
    return {"n": len(recordings), "total": sum(r["seconds"] for r in recordings)}


def _padding_blocks(measurements: Measurements) -> list[str]:
    """One row for each search and padding."""
    recordings, systems = measurements["texts"]["recordings"], measurements["texts"]["systems"]
    seconds, drifts, rows = measurements["seconds"], measurements["drift"], []
    for system, row in systems.items():
        search, way = system.split(", ")
        drift = f"{drifts[way]['mean']:.1f} ({drifts[way]['most']:.1f})"
        cells = [f"{seconds[system]:.0f}", drift, str(row["same"])]
        rates = (f"{rate:.2f}" for rate in row["wer"].values())
        rows.append(["greedy" if search == "beam 1" else search, way, *cells, *rates])
    header = ["search", "padding", "CPU s", "drift", "same text", *scored_columns(recordings)]
    return [markdown_table(header, rows)]


def _long_audio(recordings: Any) -> str:
    parts = []
    for language, rates in _by_language(recordings).items():
        theirs, ours = zip(*rates, strict=True)
        parts.append(f"{LANGUAGES[language]} {_spread(ours)}, openai-whisper {_spread(theirs)}")
    return "; ".join(parts)


def _long_audio_rows(recordings: Any) -> Iterator[list[str]]:
    """One row an order, then medians and means."""
    for recording in recordings:
        cells = (f"{recording['wer'][system]:.2f}" for system in BOTH)
        yield [recording["language"], str(recording["order"]), f"{recording['seconds']:.0f}", *cells]
    for language, rates in _by_language(recordings).items():
        for name, of in (("median", statistics.median), ("mean", statistics.mean)):
            cells = (f"{of(column):.2f}" for column in zip(*rates, strict=True))
            yield [language, name, "", *(f"**{c}**" if name == "median" else c for c in cells)]


def _by_language(recordings: Any) -> Rates:
    """Language -> the rates of both systems, order by order."""
    rates: Rates = {}
    for recording in recordings:
        pair = tuple(recording["wer"][system] for system in BOTH)
        rates.setdefault(recording["language"], []).append(pair)
    return rates


def _spread(rates: Sequence[float]) -> str:
    """Median, least and greatest."""
    return f"{statistics.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"


PAGES = {
    "recognition": Page(
        title="Recognition, Whisper base: the same text as openai-whisper",
        question="Does recognition give the text of openai-whisper's `transcribe`?",
        read=part("texts"),
        facts=_same_text_facts,
        result=_same_text,
        text="""\
**Greedy search writes openai-whisper's text on {greedy} of {n} recordings**, on {whole} where all of the
padding is computed (`asr.padding_stride=1`). The rest is below in full.

{n} human recordings ({seconds:.0f} s), language given, timestamps, no previous text, the same thresholds
and temperatures. *Same text*: character for character that of the first row. WER in percent, over the
corpus, by the normalizer of the language; the columns say how many of how many recordings have a transcript
and how many words these are. A column of fewer than a hundred words says nothing about a language, only
that both programs do the same. 29 of the 55 English recordings are of one speaker, and 25 of the 27 German
ones.""",
        blocks=_same_text_blocks,
    ),
    "non-speech": Page(
        title="Sounds without speech, Whisper base",
        question="Does it write text where nobody speaks?",
        read=part("texts"),
        facts=_non_speech_facts,
        result=_non_speech,
        text="""\
It writes a text {result}.

On how many a text is written, with Wilson's 95% interval. *Sounds*: {sounds} in which nobody speaks, seeded
({kinds}; {lengths} s), so no text is right. *Words*: the loudest {word} s of {words} human recordings, and
all {recordings} of them: a text is right. Float32, language given, the default guards. WER of the
recordings in percent, over the corpus, by the normalizer of the language; the columns say how many of how
many recordings have a transcript, and its words.""",
        blocks=_non_speech_blocks,
    ),
    "padding": Page(
        title="Padding in fewer positions, Whisper base",
        question="Where does the speed come from?",
        facts=_padding_facts,
        result=_padding,
        text="""\
{result}.

{n} human recordings ({total:.0f} s), Antiphon float32, language given. *Every n.*: `asr.padding_stride`; of
a window's padding every n-th position is computed and stands for its neighbors (4 is the default).
*Window*: `asr.window_seconds`; what is longer than it and than the longest recording of the batch is left
out. CPU seconds of the process, one thread, one round. Drift: how far the encoder's states of the speech
are from those of the whole window, in percent of their norm (every fifth recording; mean, and most in
brackets). Same text: as with all positions. WER in percent, over the corpus, by the normalizer of the
language; the columns say how many of how many recordings have a transcript, and its words.""",
        blocks=_padding_blocks,
    ),
    "long-audio": Page(
        title="Long audio, Whisper base: word errors",
        question="How good is long audio?",
        read=part("texts"),
        result=_long_audio,
        text="""\
Median WER over the orders, least and greatest in brackets: {result}.

Recordings of one language that have a transcript, joined to one with 0.6 s between them; order 0 is the
manifest's, the others are shuffled. Greedy, float32, language given, no previous text, the same thresholds.
WER in percent, by the normalizer of the language. The orders are of the same recordings, so they say how
much the cuts of windows matter, not how other speakers would do; with three or four of them there is no
interval. A mean of so few can be made by one order: the median is the number to read.""",
        answer="median WER of several orders, least and greatest in brackets: {result}",
        blocks=lambda recordings: [
            markdown_table(["language", "order", "seconds", *BOTH], _long_audio_rows(recordings))
        ],
    ),
}
"""Page -> its row."""
