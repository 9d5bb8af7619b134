"""Are sentences joined across a recognizer's segments before translation worth it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.tables import format_difference, format_score, markdown_table
from benchmarks.common.text_statistics import Tables, read_statistics
from benchmarks.pages.page import Page, part
from components.metrics.statistics.significance import Difference, compare_to_baseline
from components.text.matching.resegmentation import PROTOCOL

GOLD, SENTENCES, FRAGMENTS = "gold segments", "sentences joined", "every Whisper segment alone"
WHOLE = "the recording"


def _result(recordings: Sequence[Mapping[str, Any]]) -> str:
    between, inside = (_differences(recording)[SENTENCES] for recording in recordings)
    n = len(recordings[0]["statistics"]["bleu"]["ids"])
    return (
        f"Joined sentences against every segment alone, BLEU, {n} unrelated captions as one recording: "
        f"{format_difference(between)}; with pauses inside the captions, too, {format_difference(inside)}"
    )


def _differences(recording: Mapping[str, Any]) -> dict[str, Difference]:
    """System -> its difference in BLEU to the translation of every segment alone."""
    tables = read_statistics(recording["statistics"])
    tests = compare_to_baseline({name: {"bleu": own["bleu"]} for name, own in tables.items()}, FRAGMENTS)
    return {test.system: test for test in tests}


def _describe(recording: Mapping[str, Any]) -> list[str]:
    """Heading, table, the segments that Whisper cuts, signatures."""
    tables, errors = (read_statistics(recording[name]) for name in ("statistics", "wer"))
    tests, rows = _differences(recording), []
    for name in (GOLD, SENTENCES, FRAGMENTS):
        scores = {metric: table.to_score() for metric, table in tables[name].items()}
        wer = errors[GOLD if name == GOLD else WHOLE]["wer"].to_score()
        cells = [format_score(wer), format_score(scores["bleu"]), format_score(scores["chrf"])]
        rows.append([name, *cells, format_difference(tests.get(name))])
    header = ["translated", "WER", "BLEU", "chrF", "BLEU, difference to the last row"]
    return [
        f"## {recording['title']}",
        f"{recording['seconds']:.0f} s, {wer.n} of {wer.n} reference segments, "
        f"{recording['whisper_segments']} segments of Whisper.",
        markdown_table(header, rows),
        _compare_cut_segments(recording["cut"], tables),
        f"BLEU `{scores['bleu'].signature}|{PROTOCOL}`, WER `{wer.signature}|{PROTOCOL}`",
    ]


def _compare_cut_segments(ids: Sequence[str], tables: Tables) -> str:
    """A sentence on the reference segments inside which one of Whisper's ends."""
    systems = {
        name: {metric: table.subset(ids) for metric, table in tables[name].items()}
        for name in (FRAGMENTS, SENTENCES)
    }
    tests = compare_to_baseline(systems, FRAGMENTS)
    differences = [f"{test.metric} {format_difference(test)}" for test in tests]
    return (
        f"Of the {len(ids)} reference segments in which one of Whisper's ends, *{SENTENCES}* against "
        f"*{FRAGMENTS}*: {'; '.join(differences)}."
    )


PAGES = {
    "long-recording": Page(
        title="Long recordings: sentences joined before translation",
        question="Are sentences joined across a recognizer's segments better than its segments alone?",
        read=part("texts"),
        facts=lambda recordings: {"gold": GOLD.capitalize()},
        result=_result,
        text="""\
Whisper cuts a long recording into segments without regard to sentences. `translate` joins the sentences
again before it translates them. {result}. Captions have nothing to do with each other, so this says nothing
yet of talks.

Spoken captions (50 of Multi30k's test_2016_flickr, and those of the sample set) were joined to one
recording in a fixed random order, 0.3 to 2 s of silence between them; Whisper base and
`packaged:multi30k-en-de`, beam 5. *{gold}*: every caption was recognized and translated by itself. The
other rows translate one transcript of the whole recording: its sentences across Whisper's segments, or each
of these segments as if it were a text. Their output is cut to the reference segments by word edits. 95%
intervals over segments; one recording of each kind, so they say nothing of other orders.""",
        blocks=lambda recordings: [block for recording in recordings for block in _describe(recording)],
    ),
}
"""Page -> its row."""
