"""Does recognition give the text of openai-whisper's ``transcribe``?"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph
from benchmarks.common.word_errors import scored_columns, word_error_rates, words_by_language

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
    n, same = len(recordings), count_same_texts(measurements)
    rows = []
    for name, system in systems.items():
        rates = word_error_rates(recordings, system["texts"]).values()
        rows.append([name, str(same[name]), *(f"{rate:.2f}" for rate in rates)])
    seconds = sum(r["seconds"] for r in recordings)
    return "\n\n".join(
        [
            "# Recognition, Whisper base: the same text as openai-whisper",
            f"**Greedy search writes openai-whisper's text on {same[GREEDY]} of {n} recordings**, on "
            f"{same[WHOLE]} where all of the padding is computed (`asr.padding_stride=1`). "
            "The rest is below in full.",
            one_paragraph(PROTOCOL.format(n=n, seconds=seconds)),
            markdown_table(["system", "same text", *scored_columns(recordings)], rows),
            "## Differences of greedy, float32",
            "\n".join(_differences(measurements)),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    values = measurements["texts"]
    recordings, systems = values["recordings"], values["systems"]
    same, words = count_same_texts(measurements), words_by_language(recordings)
    ours, theirs = (word_error_rates(recordings, systems[name]["texts"]) for name in (GREEDY, OPENAI))
    rates = [
        f"{name} {ours[code]:.1f} against {theirs[code]:.1f} ({words[code]} words)"
        for code, name in (("en", "English"), ("de", "German"))
    ]
    result = (
        f"the same on {same[GREEDY]} of {len(recordings)} human recordings ({same[WHOLE]} with "
        f"`asr.padding_stride=1`); WER in {' and '.join(rates)}"
    )
    return "Does recognition give the text of openai-whisper's `transcribe`?", result


def count_same_texts(measurements: Measurements) -> dict[str, int]:
    """System -> recordings whose text is openai-whisper's."""
    systems = measurements["texts"]["systems"]
    reference = systems[OPENAI]["texts"]
    return {
        name: sum(a == b for a, b in zip(system["texts"], reference, strict=True))
        for name, system in systems.items()
    }


def _differences(measurements: Measurements) -> Iterator[str]:
    values = measurements["texts"]
    ours, theirs = values["systems"][GREEDY], values["systems"][OPENAI]
    for number, recording in enumerate(values["recordings"]):
        if ours["texts"][number] != theirs["texts"][number]:
            hottest = (ours["temperatures"][number], theirs["temperatures"][number])
            yield "- `{}` (temperature ours {:.1f}, theirs {:.1f})".format(recording["id"], *hottest)
            yield f"  - ours: {ours['texts'][number]}"
            yield f"  - theirs: {theirs['texts'][number]}"
