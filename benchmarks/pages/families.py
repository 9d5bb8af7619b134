"""Models of other families, and what guides a search beside its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_interval, format_p_value, markdown_table, one_paragraph
from benchmarks.common.text_statistics import Tables, read_statistics
from benchmarks.pages.page import Page
from components.metrics.statistics.significance import correct_family, paired_test
from components.metrics.table import term_metrics
from components.run_record import Score

BASE = "Whisper base"
TERMS = """\
{terms} rare names and drugs in {named} spoken sentences, {occurrences} occurrences, and {captions} captions
of Multi30k's test_2016_flickr in which none is said; flite's voices slt and rms, Whisper tiny.en, beam 5.
The list has all {terms} terms in every recording. *Boost*: nats per token. *B-WER*, *U-WER*: of the words
of terms and of all others (Le et al. 2021). *WER of captions*: where the list has nothing to say. Whisper's
English normalizer; 95% bootstrap intervals over utterances. The boosts are a curve, none was chosen on
other data."""

CTC = """\
A CTC head on Whisper base's frozen encoder, trained on 2,100 captions by four voices of flite, judged on {n}
captions of test_2016_flickr by another voice (piper's joe). The weight of the joint search (of 0.05, 0.1, 0.2
and 0.3) and the votes of ROVER (Whisper base, CTC, pocketsphinx) were chosen on {dev} captions of val by that
voice; the head had other ones. Whisper's English normalizer; *against Whisper base*: paired bootstrap over
captions, p by Holm over the rows; *could see*: 80% power."""


def _result(measurements: Measurements) -> str:
    tables = _tables(measurements["terms"])
    plain, boosted = (tables[boost]["term_recall"].to_score() for boost in ("0", "2"))
    return (
        f"recall of rare names {_format(boosted)} instead of {_format(plain)} with the default boost, "
        f"{tables['2']['false_terms'].score():.1f} false ones per 100 texts"
    )


def _terms(values: Mapping[str, Any]) -> list[str]:
    tables = _tables(values)
    rows = []
    for boost, own in tables.items():
        names = ("term_recall", "false_terms", "b_wer", "u_wer", "captions")
        rows.append(
            [boost if boost != "0" else "no list", *(_format(own[name].to_score()) for name in names)]
        )
    captions, total = (len(tables["0"][name].ids) for name in ("captions", "false_terms"))
    protocol = TERMS.format(
        terms=len(values["terms"]),
        named=total - captions,
        captions=captions,
        occurrences=int(tables["0"]["term_recall"].rows.sum(0)[1]),
    )
    header = ["boost", "term recall", "false terms per 100", "B-WER", "U-WER", "WER of captions"]
    return [one_paragraph(protocol), markdown_table(header, rows)]


def _ctc(values: Mapping[str, Any]) -> list[str]:
    val, test = (
        {name: tables["wer"] for name, tables in read_statistics(values["statistics"][split]).items()}
        for split in ("val", "test")
    )
    tests = [paired_test(test[name], test[BASE], (name, BASE)) for name in test if name != BASE]
    differences = {each.system: each for each in correct_family(tests)}
    rows = []
    for name in test:
        row = [name, f"{val[name].score():.1f}", _format(test[name].to_score())]
        if difference := differences.get(name):
            seen = "" if difference.detectable is None else f"{difference.detectable:.1f}"
            interval = format_interval(difference.interval, " ({:+.1f} to {:+.1f})")
            gain = f"{difference.difference:+.1f}{interval}, p {format_p_value(difference.p_holm)}"
            row += [gain, seen]
        rows.append(row + [""] * (5 - len(row)))
    protocol = one_paragraph(CTC.format(n=len(test[BASE].ids), dev=len(val[BASE].ids)))
    header = ["system", "WER on val", "WER on test", "against Whisper base", "could see"]
    return [protocol, markdown_table(header, rows)]


def _tables(values: Mapping[str, Any]) -> Tables:
    """Boost -> metric of terms, or WER of the captions alone -> statistics."""
    metrics = term_metrics(tuple(values["terms"]), "transcript")
    captions = read_statistics(values["captions"])
    return {
        boost: {**tables, "captions": captions[boost]["wer"]}
        for boost, tables in read_statistics(values["statistics"], metrics).items()
    }


def _format(score: Score) -> str:
    low, high = score.interval or (score.value, score.value)
    return f"{score.value:.1f} ({low:.1f} to {high:.1f})"


PAGES = {
    "families": Page(
        title="Models of other families, and guided searches",
        question="Does a term list make Whisper write rare names?",
        result=_result,
        text="A term list: {result}.",
        blocks=lambda measurements: [
            "## Terms",
            *_terms(measurements["terms"]),
            "## A CTC head beside Whisper",
            *_ctc(measurements["ctc"]),
        ],
    ),
}
"""Page -> its row."""
