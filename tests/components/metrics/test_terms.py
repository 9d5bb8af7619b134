"""Metrics of terms: a table of small cases with the numbers counted by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.metrics.metric import Output, Segments
from components.metrics.statistics.corpus_statistics import measure
from components.metrics.table import METRICS, REQUESTED, metrics_of, term_metrics

TERMS = ("Kovalenko", "New York", "York")
CASES = [
    # reference, output, in both, in the reference, false, errors and words of terms, of others
    ("Kovalenko is in New York.", "kovalenko is in new york", 2, 2, 0, (0, 3), (0, 2)),
    ("Kovalenko is in New York.", "Cove Lanco is in York", 0, 2, 1, (2, 3), (1, 2)),
    ("He is out.", "Kovalenko is out.", 0, 0, 1, (0, 0), (1, 3)),
    ("Mr Kovalenko came.", "Mister Kovalenko Kovalenko came", 1, 1, 1, (1, 1), (0, 2)),
    ("The Yorkshire terrier barks.", "the yorkshire terrier barked", 0, 0, 0, (0, 0), (1, 4)),
]


def _segments(pairs: list[tuple[str, str]], language: str = "en") -> Segments:
    n = len(pairs)
    return Segments(
        ids=tuple(map(str, range(n))),
        hypotheses=tuple(output for _, output in pairs),
        languages=(language,) * n,
        references=tuple((reference,) for reference, _ in pairs),
    )


def _rows(name: str, output: Output, segments: Segments, terms: tuple[str, ...] = TERMS) -> list[list[float]]:
    (metric,) = (metric for metric in term_metrics(terms, output) if metric.name == name)
    return metric.statistics(segments).tolist()


@pytest.mark.parametrize(("reference", "output", "both", "known", "false", "own", "other"), CASES)
def test_counts_of_transcripts(
    reference: str,
    output: str,
    both: int,
    known: int,
    false: int,
    own: tuple[int, int],
    other: tuple[int, int],
) -> None:
    """Of overlapping terms the longest counts; a part of a word is none."""
    segments = _segments([(reference, output)])
    assert _rows("term_recall", "transcript", segments) == [[both, known]]
    assert _rows("false_terms", "transcript", segments) == [[false, 1]]
    assert _rows("b_wer", "transcript", segments) == [list(own)]
    assert _rows("u_wer", "transcript", segments) == [list(other)]


def test_the_two_error_rates_add_up_to_wer() -> None:
    segments = _segments([(case[0], case[1]) for case in CASES])
    wer = METRICS["wer"].statistics(segments)
    metrics = {metric.name: metric for metric in term_metrics(TERMS, "transcript")}
    divided = metrics["b_wer"].statistics(segments) + metrics["u_wer"].statistics(segments)
    assert divided.tolist() == wer.tolist()


def test_translations_are_counted_as_written() -> None:
    pairs = [
        ("Der Dienst Kovalenko ruft an.", "der dienst kovalenko ruft an"),
        ("Der dienst.", "Der Dienst."),
    ]
    segments = _segments(pairs, "de")
    assert _rows("term_recall", "translation", segments, ("dienst", "Kovalenko")) == [[1, 2], [1, 1]]
    (elsewhere,) = (m for m in term_metrics(("Kovalenko",), "translation") if m.name == "bleu_elsewhere")
    assert elsewhere.select(segments).ids == ("1",)
    further = replace(segments, references=(("", segments.references[0][0]), segments.references[1]))
    assert _rows("term_recall", "translation", further, ("dienst", "Kovalenko")) == [[1, 2], [1, 1]]
    second = replace(segments, references=tuple(("Es ruft an.", *texts) for texts in segments.references))
    assert elsewhere.select(second).ids == ("1",)


def test_without_terms_there_is_nothing_to_score() -> None:
    segments = _segments([("a b", "a c")])
    assert all(measure(metric, segments, 1) is None for metric in term_metrics((), "transcript")[:1])
    names = {metric.name for metric in REQUESTED.values() if metric.needs_terms}
    assert names <= METRICS.keys()
    assert not names & {*metrics_of("transcript"), *metrics_of("translation")}
