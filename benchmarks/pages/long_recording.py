"""Are sentences joined across a recognizer's segments before translation worth it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.common.measurements import Measurements
from benchmarks.common.tables import format_difference, format_score, markdown_table, one_paragraph
from components.metrics.recognition import recognition_scores
from components.metrics.significance import Difference, translation_tests
from components.metrics.translation import translation_scores
from components.resegmentation import PROTOCOL

GOLD, SENTENCES, FRAGMENTS = "gold segments", "sentences joined", "every Whisper segment alone"
WHOLE = "the recording"
Texts = dict[str, str]
INTRODUCTION = """\
Whisper cuts a long recording into segments without regard to sentences. `translate` joins the sentences
again before it translates them. {result}. Captions have nothing to do with each other, so this says nothing
yet of talks.

Spoken captions (50 of Multi30k's test_2016_flickr, and those of the sample set) were joined to one
recording in a fixed random order, 0.3 to 2 s of silence between them; Whisper base and
`packaged:multi30k-en-de`, beam 5. *{gold}*: every caption was recognized and translated by itself. The
other rows translate one transcript of the whole recording: its sentences across Whisper's segments, or each
of these segments as if it were a text. Their output is cut to the reference segments by word edits. 95%
intervals over segments; one recording of each kind, so they say nothing of other orders."""


def page(measurements: Measurements) -> str:
    """Two recordings, each with its table."""
    recordings = measurements["texts"]
    texts = INTRODUCTION.format(result=_result(recordings), gold=GOLD.capitalize()).split("\n\n")
    parts = ["# Long recordings: sentences joined before translation", *map(one_paragraph, texts)]
    return "\n\n".join([*parts, *(block for r in recordings for block in _describe(r))])


def headline(measurements: Measurements) -> tuple[str, str]:
    """The row of the list of results."""
    question = "Are sentences joined across a recognizer's segments better than its segments alone?"
    return question, _result(measurements["texts"])


def _result(recordings: Sequence[Mapping[str, Any]]) -> str:
    between, inside = (_differences(recording)[SENTENCES] for recording in recordings)
    n = len(recordings[0]["segments"])
    return (
        f"Joined sentences against every segment alone, BLEU, {n} unrelated captions as one recording: "
        f"{format_difference(between)}; with pauses inside the captions, too, {format_difference(inside)}"
    )


def _texts(recording: Mapping[str, Any], kind: str) -> dict[str, Texts]:
    ids = [segment["id"] for segment in recording["segments"]]
    return {name: dict(zip(ids, texts, strict=True)) for name, texts in recording[kind].items()}


def _references(recording: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {segment["id"]: tuple(segment["references"]) for segment in recording["segments"]}


def _differences(recording: Mapping[str, Any]) -> dict[str, Difference]:
    """System -> its difference in BLEU to the translation of every segment alone."""
    tests = translation_tests(
        _references(recording),
        _texts(recording, "translations"),
        FRAGMENTS,
        language="de",
        names=("bleu",),
    )
    return {test.system: test for test in tests}


def _describe(recording: Mapping[str, Any]) -> list[str]:
    """Heading, table, the segments that Whisper cuts, signatures."""
    references, n = _references(recording), len(recording["segments"])
    transcripts, translations = _texts(recording, "transcripts"), _texts(recording, "translations")
    spoken = {segment["id"]: segment["transcript"] for segment in recording["segments"]}
    tests, rows = _differences(recording), []
    for name in (GOLD, SENTENCES, FRAGMENTS):
        scores = translation_scores(references, translations[name], language="de", n_total=n)
        pieces = transcripts[GOLD if name == GOLD else WHOLE]
        wer = recognition_scores(spoken, pieces, language="en", n_total=n)["wer"]
        cells = [format_score(wer), format_score(scores["bleu"]), format_score(scores["chrf"])]
        rows.append([name, *cells, format_difference(tests.get(name))])
    header = ["translated", "WER", "BLEU", "chrF", "BLEU, difference to the last row"]
    return [
        f"## {recording['title']}",
        f"{recording['seconds']:.0f} s, {n} of {n} reference segments, {recording['whisper_segments']} "
        "segments of Whisper.",
        markdown_table(header, rows),
        _compare_cut_segments(recording["cut"], references, translations),
        f"BLEU `{scores['bleu'].signature}|{PROTOCOL}`, WER `{wer.signature}|{PROTOCOL}`",
    ]


def _compare_cut_segments(
    ids: Sequence[str], references: Mapping[str, tuple[str, ...]], translations: Mapping[str, Texts]
) -> str:
    """A sentence on the reference segments inside which one of Whisper's ends."""
    systems = {name: {key: translations[name][key] for key in ids} for name in (FRAGMENTS, SENTENCES)}
    tests = translation_tests(
        {key: references[key] for key in ids}, systems, FRAGMENTS, language="de", names=("bleu", "chrf")
    )
    differences = [f"{test.metric} {format_difference(test)}" for test in tests]
    return (
        f"Of the {len(ids)} reference segments in which one of Whisper's ends, *{SENTENCES}* against "
        f"*{FRAGMENTS}*: {'; '.join(differences)}."
    )
