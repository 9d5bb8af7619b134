"""Pages of recognition's quality: the same text as openai-whisper, silence, padding, long audio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.common.tables import format_share, markdown_table, one_paragraph
from benchmarks.common.word_errors import scored_columns, words_by_language
from benchmarks.pages.page import Page, part

OPENAI = "openai-whisper, greedy"
GREEDY = "Antiphon, greedy, float32"
WHOLE = "Antiphon, greedy, float32, all of the padding"
DEFAULT_SEARCH = "beam 5 (the default)"
ALL, STRIDE, CUT = "beam 1, all positions", "beam 1, every 4.", "beam 1, window of 15 s"
LANGUAGES = {"en": "English", "de": "German"}
RULE = """\
A window is silence when the model's no-speech probability is above 0.6 and either its text is improbable
(openai-whisper's rule) or voice activity detection finds no voice in it (`asr.vad`); a text without a
letter or digit is none."""


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
}
"""Page -> its row."""
