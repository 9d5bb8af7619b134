"""Does a recognizer write text where nobody speaks?"""

from __future__ import annotations

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_share, markdown_table, one_paragraph
from benchmarks.common.word_errors import scored_columns

DEFAULT = "beam 5 (the default)"
PROTOCOL = """\
On how many a text is written, with Wilson's 95% interval. *Sounds*: {sounds} in which nobody speaks, seeded
({kinds}; {lengths} s), so no text is right. *Words*: the loudest {word} s of {words} human recordings, and
all {recordings} of them: a text is right. Float32, language given, the default guards. WER of the
recordings in percent, over the corpus, by the normalizer of the language; the columns say how many of how
many recordings have a transcript, and its words."""
RULE = """\
A window is silence when the model's no-speech probability is above 0.6 and either its text is improbable
(openai-whisper's rule) or voice activity detection finds no voice in it (`asr.vad`); a text without a
letter or digit is none."""


def page(measurements: Measurements) -> str:
    """The table, the rule, and what was written wrongly."""
    values = measurements["texts"]
    recordings, systems = values["recordings"], values["systems"]
    rows, wrong = [], []
    for name, row in systems.items():
        counts = [format_share(*row[part]) for part in ("sounds", "words", "recordings")]
        rows.append([name, *counts, *(f"{rate:.2f}" for rate in row["wer"].values())])
        wrong += [f"- {name}, {sound}: {text[:60]}" for sound, text in row["wrong"].items()]
    first = systems[DEFAULT]
    protocol = PROTOCOL.format(
        sounds=first["sounds"][1],
        kinds=", ".join(values["kinds"]),
        lengths=", ".join(f"{s:g}" for s in values["seconds"]),
        word=values["word_seconds"],
        words=first["words"][1],
        recordings=len(recordings),
    )
    return "\n\n".join(
        [
            "# Sounds without speech, Whisper base",
            f"It writes a text {_result(measurements)}.",
            one_paragraph(protocol),
            markdown_table(["search", "sounds", "words", "recordings", *scored_columns(recordings)], rows),
            one_paragraph(RULE),
            "## What was written about sounds without speech",
            "\n".join(wrong) or "Nothing.",
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "Does it write text where nobody speaks?", _result(measurements)


def _result(measurements: Measurements) -> str:
    first = measurements["texts"]["systems"][DEFAULT]
    sounds, recordings = (format_share(*first[part]) for part in ("sounds", "recordings"))
    return f"about sounds without speech in {sounds}; about human recordings in {recordings}"
