"""Can a confidence be believed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph
from benchmarks.pages.page import Page

LOST = """\
A translation is bad where it loses more than 10 chrF (of the sentence) against the same translator's output
for the correct transcript: {share:.1%} of {n:,} of {n_total:,} recordings. Resampled are captions, with all
their versions."""
EVIDENCE = """\
Measured later. *With evidence* are estimators that read more than the translation's own search (beam 5,
its entropies, its n-best list): ten dropout passes (D-TP, D-Lex-Sim), and the mean
log-probability of the translation under dropout. Fitted on 500 texts of val, judged on the 1,000
of the test set; the others were fitted again beside them, on the same 500."""
CASCADE = """\
The 1,000 captions without noise through Whisper tiny.en, with estimators fitted on 300 captions of val
without noise, which read the recognizer's log-probability, too (those above did not yet). Bad as above:
{share:.1%} of {n:,} of {n_total:,} recordings."""
OUTCOMES = {
    "word": "words that are right",
    "utterance": "transcripts without an error",
    "wer": "WER of a transcript",
    "bad": "translations that are not bad",
    "chrf": "chrF of a translation",
}
MEASURES = {"ece": "ECE", "nce": "NCE", "auroc": "AUROC", "aurc": "AURC", "kendall": "Kendall"}
SYSTEMS = {"tiny": "tiny.en", "base": "base", "greedy": "greedy", "beam": "beam 5", "de": "beam 5"}
RAW = "log-probability"


def _blocks(measurements: Measurements) -> list[str]:
    """Every outcome of every set."""
    parts = []
    for noise, rows in measurements["spoken captions"].items():
        parts += [f"## Spoken captions, {noise}", *_tables(rows)]
    for part in ("human recordings", "translated text"):
        parts += [f"## {part.capitalize()}", *_tables(measurements[part])]
    parts += ["## Translated speech", *_losses(measurements["translated speech"], LOST)]
    if (part := "translated text, evidence") in measurements:
        parts += ["## Translated text, further evidence", one_paragraph(EVIDENCE)]
        parts += _tables(measurements[part])
    if (part := "translated clean speech") in measurements:
        parts += ["## Translated speech without noise", *_losses(measurements[part], CASCADE)]
    return parts


def _result(measurements: Measurements) -> str:
    rows = measurements["spoken captions"]["all"]
    words = {
        _key(row)[0]: row["measures"]
        for row in rows
        if row["outcome"] == "word" and _key(row)[1] == "gradient boosting"
    }
    summary = ", ".join(
        f"{system} ECE {_format(values['ece'])}, AUROC {_format(values['auroc'])}"
        for system, values in words.items()
    )
    return f"Whether a word is right, on spoken captions with and without noise: {summary}."


def _losses(results: Mapping[str, Any], about: str) -> list[str]:
    """What tells translations that lost much by the recognizer's errors."""
    names = ("ece", "nce", "auroc", "aurc")
    lines = [[_plain(signal), *_cells(values, names)] for signal, values in results["signals"].items()]
    text = about.format(share=results["lost"], n=results["n"], n_total=results["n_total"])
    return [one_paragraph(text), markdown_table(["signal", *(MEASURES[name] for name in names)], lines)]


def _tables(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    parts = []
    for outcome, title in OUTCOMES.items():
        own = {_key(row): row for row in rows if row["outcome"] == outcome}
        if own:
            names = [name for name in MEASURES if any(name in row["measures"] for row in own.values())]
            lines = [
                [*key, f"{row['n']:,}", *_cells(row["measures"], names)] for key, row in sorted(own.items())
            ]
            header = ["system", "signal", "n", *(MEASURES[name] for name in names)]
            parts += [f"### {title[0].upper()}{title[1:]}", markdown_table(header, lines)]
    return parts


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    """System and signal; the raw signal is the same beside every estimator."""
    system, _, method = str(row["node"]).partition("_")
    return SYSTEMS[system], RAW if row["signal"] == RAW else _plain(
        method.replace("_evidence", ", with evidence")
    )


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _cells(measures: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [_format(measures[name]) if name in measures else "" for name in names]


def _format(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None:
        return "too few"
    ends = estimate["interval"]
    return f"{estimate['value']:.3f}" + ("" if ends is None else f" ({ends[0]:.3f} to {ends[1]:.3f})")


PAGES = {
    "confidence": Page(
        title="Confidence",
        question="Can a confidence be believed?",
        result=_result,
        text="""\
**{result}**

Captions: test_2016_flickr, spoken by two voices of Festival Lite in turn, each without noise and with pink
noise at 10 and 5 dB, so 3,000 recordings; beam 5. Human recordings: the English ones with a transcript.
Estimators were fitted on val: 300 captions spoken in the same way (900 recordings), and its 1,014 texts
for text. *Log-probability*: e to the mean log-probability of the tokens of a word or a text, the raw signal.
ECE over bins of equal mass, NCE, AUROC of being right, AURC, Kendall's tau with the sentence's own score; 95%
of 10,000 bootstrap resamples of utterances in brackets.""",
        blocks=_blocks,
    ),
}
"""Page -> its row."""
