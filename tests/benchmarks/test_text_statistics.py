"""Counts that are stored in place of references give the scores and tests of the texts themselves."""

from __future__ import annotations

import json

import pytest

from benchmarks.common.text_statistics import (
    count_texts,
    count_transcripts,
    count_translations,
    read_statistics,
)
from components.metrics.error_rates.recognition import recognition_scores
from components.metrics.statistics.significance import compare_texts, compare_to_baseline
from components.metrics.translation_quality.translation import translation_scores
from components.records import Utterance

SPOKEN = [
    Utterance(
        id=f"u{n}",
        text=f"the {word} barks",
        transcript=f"the {word} barks",
        references=(f"der {german} bellt laut",),
        source_language="en",
        target_language="de",
    )
    for n, (word, german) in enumerate(zip("abcdefghijkl", "mnopqrstuvwx", strict=True))
]
TEXTS = {
    "good": {u.id: u.references[0] for u in SPOKEN},
    "bad": {u.id: u.references[0].replace("laut", "leise" if n % 3 else "") for n, u in enumerate(SPOKEN)},
}


def test_scores_and_tests_are_those_of_the_texts():
    stored = json.loads(json.dumps(count_translations(SPOKEN, TEXTS)))
    tables = read_statistics(stored)
    references = {u.id: u.references for u in SPOKEN}
    for system, texts in TEXTS.items():
        scores = translation_scores(references, texts, language="de", n_total=len(SPOKEN))
        for metric in ("bleu", "chrf"):
            assert tables[system][metric].to_score() == scores[metric]
    assert compare_to_baseline(tables, "good") == compare_texts(references, TEXTS, "good", language="de")
    assert count_texts("bleu", SPOKEN, list(TEXTS["bad"].values())) == stored["bleu"]["rows"]["bad"]


def test_a_rate_of_errors_is_that_of_the_transcripts():
    texts = {"heard": {u.id: (u.transcript or "").replace("barks", "bark") for u in SPOKEN}}
    table = read_statistics(count_transcripts(SPOKEN, texts))["heard"]["wer"]
    transcripts = {u.id: u.transcript or "" for u in SPOKEN}
    wer = recognition_scores(transcripts, texts["heard"], language="en", n_total=len(SPOKEN))["wer"]
    assert (table.to_score().value, table.to_score().interval) == (wer.value, wer.interval)
    assert wer.value == pytest.approx(100 / 3)


def test_a_text_that_is_missing_is_an_error():
    with pytest.raises(ValueError, match="bad: expected a text for every utterance, 1 have none"):
        count_translations(SPOKEN, {"bad": dict(list(TEXTS["bad"].items())[1:])})
