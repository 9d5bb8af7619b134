"""Do translators of different tokenizers gain by being mixed, and by which way?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_difference, format_score, markdown_table, one_paragraph
from benchmarks.common.text_statistics import read_statistics
from components.metrics.statistics.significance import Difference, compare_to_baseline

FIRST, SECOND, RISK = "first alone", "second alone", "minimum Bayes risk"
TEXT, OTHERS = "text, 0.5 and 0.5", ("union, linear", "intersection, log-linear", RISK)
SETS = {"captions": "Captions", "tatoeba": "Plain sentences"}
PROTOCOL = """\
English into German. First: `packaged:multi30k-en-de` (6 M parameters, trained on captions, 8,000 pieces of
sentencepiece); second: `packaged:qwen2.5-coder-0.5b` (4 bits, few-shot prompt, 152,000 pieces of
byte-level BPE). *Text*: every member writes in its own pieces and they agree on the text, with these
coefficients. *Union, linear* and *intersection, log-linear*: of the pieces, equal coefficients. *{risk}*:
the text of the two single systems' lists (as many as the beam is wide) that is most like all of them, by
chrF. Beam {beam} everywhere; all settings were chosen before anything was measured. BLEU and chrF with 95%
bootstrap intervals; differences are paired, to the better single system in each set, with Holm's correction
of p over the systems of a set and metric."""
SOURCES = {
    "captions": "The first {n} of Multi30k's test_2016_flickr: what the first model was made for.",
    "tatoeba": "{n} of Tatoeba's pairs, evenly spaced: what it was not made for.",
}


def page(measurements: Measurements) -> str:
    """A table for each set."""
    protocol = PROTOCOL.format(risk=RISK.capitalize(), beam=measurements["captions"]["beam"])
    parts = ["# Translators of different tokenizers", f"{_result(measurements)}.", one_paragraph(protocol)]
    return "\n\n".join([*parts, *(b for name in SETS for b in _describe(name, measurements[name]))])


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "Do translators of different tokenizers gain by agreeing on text?", _result(measurements)


def _best_single(values: Mapping[str, Any]) -> str:
    """The single system of higher chrF."""
    tables = read_statistics(values["statistics"])
    return max((FIRST, SECOND), key=lambda name: tables[name]["chrf"].score())


def _differences(values: Mapping[str, Any]) -> dict[tuple[str, str], Difference]:
    tests = compare_to_baseline(read_statistics(values["statistics"]), _best_single(values))
    return {(test.system, test.metric): test for test in tests}


def _describe(name: str, values: Mapping[str, Any]) -> list[str]:
    n, tests, rows = len(values["statistics"]["bleu"]["ids"]), _differences(values), []
    for system, tables in read_statistics(values["statistics"]).items():
        cells = [
            cell
            for metric, table in tables.items()
            for cell in (format_score(table.to_score()), format_difference(tests.get((system, metric))))
        ]
        seconds = values["seconds"].get(system)
        rows.append([system, *cells, "" if seconds is None else f"{seconds / n:.1f}"])
    against = f"against {_best_single(values)}"
    header = ["system", "BLEU", against, "chrF", against, "CPU s a sentence"]
    return [f"## {SETS[name]}", SOURCES[name].format(n=n), markdown_table(header, rows)]


def _result(measurements: Measurements) -> str:
    parts = []
    for name, title in SETS.items():
        values = measurements[name]
        test = _differences(values)[TEXT, "chrf"]
        parts.append(f"{title.lower()} {format_difference(test)} (n = {test.n})")
    tests = _differences(measurements["captions"])
    others = ", ".join(f"{name} {tests[name, 'chrf'].difference:+.1f}" for name in OTHERS)
    return (
        "Agreed text of two very unequal models with equal coefficients against the better one alone, chrF: "
        f"{'; '.join(parts)}; other ways on captions: {others}"
    )
