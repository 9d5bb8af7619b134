"""Two graphs that answered the same requests: how far they agree, and which is better by corrected texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from components.analysis.formatting import format_p_value
from components.analysis.table import Table
from components.errors import DataError
from components.metrics.statistics.corpus_statistics import text_statistics
from components.metrics.statistics.significance import Difference, compare_texts
from components.metrics.table import label_of
from components.serving.names import TRANSCRIPT

_SCORES = {TRANSCRIPT: ("wer", "cer")}
_TRANSLATION_SCORES = ("bleu", "chrf")
FIRST, SHADOW = "first", "shadow"


def compare_shadow(
    rows: Iterable[Mapping[str, Any]], corrected: Mapping[str, Mapping[str, str]] | None = None
) -> list[Table]:
    """Return tables of the last two graphs that answered the same requests.

    Args:
        rows: what both gave, in order.
        corrected: output (transcript, translation) -> id of a request -> its text, put right by hand.

    Raises:
        DataError: there are no such requests, or none of them was put right.
    """
    answered = list(rows)
    if not answered:
        raise DataError("expected requests that a shadow has answered, found none; serve with --shadow FILE")
    graphs = _graphs_of(answered[-1])
    pairs = [row for row in answered if _graphs_of(row) == graphs]
    by_output: dict[str, list[Mapping[str, Any]]] = {}
    for row in pairs:
        by_output.setdefault(row["output"], []).append(row)
    agreement = [_agreement(output, rows) for output, rows in by_output.items()]
    note = f"{graphs[0][:12]} served, {graphs[1][:12]} the shadow; scores: its texts against those served"
    tables = [Table("How far they agree", note, tuple(agreement))]
    differences = [
        _difference(output, test)
        for output, rows in by_output.items()
        for test in _test(output, rows, (corrected or {}).get(output, {}))
    ]
    if differences:
        note = "paired tests on the same requests; texts that were left as they were count as right"
        tables.append(Table("Which is better, by corrected texts", note, tuple(differences)))
    elif corrected is not None:
        raise DataError(
            "expected corrected texts of requests that the shadow has answered, found none; correct a run of "
            "them: antiphon run FILE --data store:kept/NAME, then antiphon edit"
        )
    return tables


def _graphs_of(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["first"]["graph"]), str(row["second"]["graph"])


def _names_of(output: str) -> tuple[str, ...]:
    return _SCORES.get(output, _TRANSLATION_SCORES)


def _agreement(output: str, rows: list[Mapping[str, Any]]) -> dict[str, str]:
    first, second = ({row["id"]: row[which]["text"] for row in rows} for which in ("first", "second"))
    languages = {row["id"]: row["language"] for row in rows}
    references = {key: (text,) for key, text in first.items()}
    counted = text_statistics(
        references, second, language=languages, n_total=len(rows), names=_names_of(output)
    )
    same = sum(first[key] == second[key] for key in first)
    seconds = {which: median(float(row[which]["seconds"]) for row in rows) for which in ("first", "second")}
    return {
        "output": output,
        "requests": str(len(rows)),
        "the same text": f"{same / len(rows):.1%}",
        **{label_of(name): f"{statistics.score():.2f}" for name, statistics in counted.items()},
        "median s": f"{seconds['first']:.2f}",
        "of the shadow": f"{seconds['second']:.2f}",
    }


def _test(output: str, rows: list[Mapping[str, Any]], corrected: Mapping[str, str]) -> list[Difference]:
    known = [row for row in rows if row["id"] in corrected]
    if not known:
        return []
    return compare_texts(
        {row["id"]: (corrected[row["id"]],) for row in known},
        {
            FIRST: {r["id"]: r["first"]["text"] for r in known},
            SHADOW: {r["id"]: r["second"]["text"] for r in known},
        },
        FIRST,
        language={row["id"]: row["language"] for row in known},
        names=_names_of(output),
    )


def _difference(output: str, test: Difference) -> dict[str, str]:
    interval = "" if test.interval is None else f" ({test.interval[0]:+z.2f} to {test.interval[1]:+z.2f})"
    return {
        "output": output,
        "score": label_of(test.metric),
        FIRST: f"{test.baseline_value:.2f}",
        SHADOW: f"{test.value:.2f}",
        "difference": f"{test.difference:+z.2f}{interval}",
        "p": format_p_value(test.p),
        "the shadow is": test.verdict,
        "of": str(test.n),
    }
