"""How good is the packaged translator, and what do bfloat16 and int8 lose against float32?"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_difference, format_score, markdown_table, one_paragraph
from benchmarks.common.text_statistics import read_statistics
from components.metrics.statistics.significance import Difference, compare_to_baseline

DTYPES = ("float32", "bfloat16", "int8")
ONE, ENSEMBLE = "one model", "ensemble"
MODEL = "packaged:multi30k-en-de"
PROTOCOL = """\
{n:,} captions of test_2016_flickr, English to German, beam 5: one model, `{model}`, and an
ensemble of the first {members} seeds of `python -m benchmarks.claims run seeds` (linear, equal shares). int8
quantizes the linear layers. BLEU and chrF with 95% bootstrap intervals; differences to float32 are paired on
the same captions, with Holm's correction of p over the two. Seconds are CPU seconds of one thread as a share
of float32's, the median of {rounds} interleaved rounds in one process."""


def page(measurements: Measurements) -> str:
    """One row a system and arithmetic."""
    values = measurements["translations"]
    texts, seconds = values["texts"], values["seconds"]
    tests, rows = _differences(values), []
    for name, tables in read_statistics(values["statistics"]).items():
        cells = [
            cell
            for metric, table in tables.items()
            for cell in (format_score(table.to_score()), format_difference(tests.get((name, metric))))
        ]
        same = sum(text == texts[_float32(name)][key] for key, text in texts[name].items())
        rows.append([name, *cells, f"{same:,}", f"{_share(seconds, name):.2f}"])
    header = ["system", "BLEU", "to float32", "chrF", "to float32", "same text", "seconds"]
    protocol = PROTOCOL.format(
        n=len(values["statistics"]["bleu"]["ids"]),
        model=MODEL,
        members=values["members"],
        rounds=min(map(len, seconds.values())),
    )
    opening = ["# Translation in bfloat16 and int8", f"{_result(values, tests)}."]
    return "\n\n".join([*opening, one_paragraph(protocol), markdown_table(header, rows)])


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    question = f"How good is `{MODEL}`, and what do bfloat16 and int8 lose?"
    values = measurements["translations"]
    return question, _result(values, _differences(values))


def _float32(name: str) -> str:
    """The system of ``name`` in float32."""
    return f"{name.rpartition(', ')[0]}, float32"


def _share(seconds: Mapping[str, list[float]], name: str) -> float:
    """CPU seconds over those of float32."""
    rounds = zip(seconds[name], seconds[_float32(name)], strict=True)
    return statistics.median(own / float32 for own, float32 in rounds)


def _differences(values: Mapping[str, Any]) -> dict[tuple[str, str], Difference]:
    tables = read_statistics(values["statistics"])
    families = [
        compare_to_baseline({n: t for n, t in tables.items() if _float32(n) == baseline}, baseline)
        for baseline in dict.fromkeys(map(_float32, tables))
    ]
    return {(test.system, test.metric): test for family in families for test in family}


def _result(values: Mapping[str, Any], tests: Mapping[tuple[str, str], Difference]) -> str:
    score = read_statistics(values["statistics"])[f"{ONE}, float32"]["bleu"].to_score()
    parts = [
        f"{name} {format_difference(test)} at {_share(values['seconds'], name):.2f} of the time"
        for (name, metric), test in tests.items()
        if metric == "bleu"
    ]
    return (
        f"{format_score(score)} BLEU on {score.n:,} of {score.n_total:,} captions of test_2016_flickr "
        f"(sacreBLEU 13a, beam 5); BLEU against float32: {'; '.join(parts)}"
    )
