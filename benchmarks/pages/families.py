"""Models of other families, and what guides a search beside its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import markdown_table, one_paragraph
from components.metrics.corpus_statistics import score_segments
from components.metrics.metric import Segments
from components.metrics.table import METRICS
from components.metrics.terms import term_metrics
from components.run_record import Score

CAPTION = "caption"
TERMS = """\
{terms} rare names and drugs in {named} spoken sentences, {occurrences} occurrences, and {captions} captions
of Multi30k's test_2016_flickr in which none is said; flite's voices slt and rms, Whisper tiny.en, beam 5.
The list has all {terms} terms in every recording. *Boost*: nats per token. *B-WER*, *U-WER*: of the words
of terms and of all others (Le et al. 2021). *WER of captions*: where the list has nothing to say. Whisper's
English normalizer; 95% bootstrap intervals over utterances. The boosts are a curve, none was chosen on
other data."""


def page(measurements: Measurements) -> str:
    """The tables, one for each part that is measured."""
    return "\n\n".join(
        [
            "# Models of other families, and guided searches",
            f"A term list: {_result(measurements)}.",
            "## Terms",
            *_terms(measurements["terms"]),
        ]
    )


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    return "Does a term list make Whisper write rare names?", _result(measurements)


def _result(measurements: Measurements) -> str:
    values = measurements["terms"]
    plain, boosted = (_scores(values, boost)["term_recall"] for boost in ("0", "2"))
    return (
        f"recall of rare names {_format(boosted)} instead of {_format(plain)} with the default boost, "
        f"{_scores(values, '2')['false_terms'].value:.1f} false ones per 100 texts"
    )


def _terms(values: Mapping[str, Any]) -> list[str]:
    rows = []
    for boost in values["outputs"]:
        scores = _scores(values, boost)
        names = ("term_recall", "false_terms", "b_wer", "u_wer", "captions")
        rows.append([boost if boost != "0" else "no list", *(_format(scores[name]) for name in names)])
    references = values["references"]
    captions = sum(key.startswith(CAPTION) for key in references)
    recall = term_metrics(tuple(values["terms"]), "transcript")[0]
    segments = recall.select(_segments(references, references))
    protocol = TERMS.format(
        terms=len(values["terms"]),
        named=len(references) - captions,
        captions=captions,
        occurrences=int(recall.statistics(segments).sum(0)[1]),
    )
    header = ["boost", "term recall", "false terms per 100", "B-WER", "U-WER", "WER of captions"]
    return [one_paragraph(protocol), markdown_table(header, rows)]


def _scores(values: Mapping[str, Any], boost: str) -> dict[str, Score]:
    references, outputs = values["references"], values["outputs"][boost]
    scores = score_segments(
        term_metrics(tuple(values["terms"]), "transcript"),
        _segments(references, outputs),
        len(references),
    )
    captions = {key: text for key, text in references.items() if key.startswith(CAPTION)}
    wer = score_segments([METRICS["wer"]], _segments(captions, outputs), len(captions))["wer"]
    return scores | {"captions": wer}


def _segments(references: Mapping[str, str], outputs: Mapping[str, str]) -> Segments:
    ids = tuple(key for key in references if key in outputs)
    return Segments(
        ids=ids,
        hypotheses=tuple(outputs[key] for key in ids),
        languages=("en",) * len(ids),
        references=tuple((references[key],) for key in ids),
    )


def _format(score: Score) -> str:
    low, high = score.interval or (score.value, score.value)
    return f"{score.value:.1f} ({low:.1f} to {high:.1f})"
