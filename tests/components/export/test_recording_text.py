"""The stretches of a translation and the words of its source that are said in them."""

from __future__ import annotations

import io
import json

from pyarrow import parquet

from components.export.documents.json_files import encode_json, encode_jsonl
from components.export.documents.tables import COLUMNS, encode_parquet, encode_tsv
from components.export.recording_text import RecordingText, make_part
from components.records import Segment
from tests.components.export.example_run import nbest, spoken, stretch, word


def test_the_source_of_every_stretch_of_an_hour() -> None:
    """The source's stretches end elsewhere; its words go where their middle is, which takes no minutes."""
    n = 1000
    texts = [
        Segment(start=4.0 * number + 2, end=4.0 * number + 4, text=f"Satz {number}.") for number in range(n)
    ]
    utterances = [
        Segment(
            start=4.0 * number,
            end=4.0 * number + 3,
            text=f"early{number} late{number}",
            words=(
                word(4.0 * number, 4.0 * number + 1, f" early{number}", 0.9),
                word(4.0 * number + 2, 4.0 * number + 3, f" late{number}", 0.9),
            ),
        )
        for number in range(n)
    ]
    part = make_part(
        spoken("talk", stretch("talk.mp4", 4.0 * n)),
        nbest("talk", "Satz.", *texts),
        "de",
        nbest("talk", "said", *utterances),
        translated=True,
    )
    assert part.segment_sources[0] == "early0 late0 early1"  # nothing is left out before the first
    assert part.segment_sources[1:-1] == tuple(
        f"late{number} early{number + 1}" for number in range(1, n - 1)
    )
    assert part.segment_sources[-1] == f"late{n - 1}"


def test_a_speaker_has_one_line() -> None:
    """An empty line ends a subtitle, and of WebVTT a line feed the mark of who speaks."""
    heard = nbest("u", "a cat", Segment(start=0, end=1, text="a cat", speaker="Ann\n\n00:01 --> \x00"))
    part = make_part(spoken("u", stretch("u.wav", 2.0)), heard, "en")
    assert part.segments[0].speaker == "Ann 00:01 -->"


def test_words_have_their_calibrated_probability_where_there_is_one_for_each() -> None:
    timed = Segment(start=0, end=1, text="a cat", words=(word(0, 0.5, " a", 0.9), word(0.5, 1, " cat", 0.9)))
    spread = Segment(start=1, end=2, text="猫がいる sat")  # a word that lines may break, and one more
    heard = nbest("u", "a cat 猫がいる sat", timed, spread)
    calibrated = (0.1, 0.2, 0.3, 0.4)
    for confidences, expected in ((calibrated, [0.1, 0.2, *[0.3] * 4, 0.4]), (calibrated[1:], None)):
        update = {"word_confidences": confidences, "features": {"p_correct": 0.5, "no_speech": 0.1}}
        best = heard.best.model_copy(update=update)
        outcome = heard.model_copy(update={"hypotheses": (best,)})
        part = make_part(spoken("u", stretch("u.wav", 2.0)), outcome, "en")
        found = [each.confidence for segment in part.segments for each in segment.words]
        assert found == expected if expected else found[:2] == [0.9, 0.9]
        assert part.estimates == {"p_correct": 0.5}


def test_tables_have_columns_of_estimates_where_a_text_has_some() -> None:
    plain = nbest("u", "a cat")
    best = plain.best.model_copy(update={"features": {"p_correct": 0.5, "expected_wer": 12.0}})
    parts = [
        make_part(spoken("u", stretch("u.wav", 2.0)), outcome, "en")
        for outcome in (plain, plain.model_copy(update={"hypotheses": (best,)}))
    ]
    before, both = [[RecordingText("u", "asr", timed=True, parts=some)] for some in (parts[:1], parts)]
    assert encode_tsv(before).splitlines()[0].decode().split("\t") == list(COLUMNS)
    head, first, second = (line.decode().split("\t") for line in encode_tsv(both).splitlines())
    assert head == [*COLUMNS, "p_correct", "expected_wer"]
    assert (first[-2:], second[-2:]) == (["", ""], ["0.500", "12.000"])
    table = parquet.read_table(io.BytesIO(encode_parquet(both)))
    assert table.column("expected_wer").to_pylist() == [None, 12.0]
    assert json.loads(encode_jsonl(both).splitlines()[1])["p_correct"] == 0.5


def test_the_text_of_a_recording_has_no_space_for_silence_or_in_japanese() -> None:
    for language, texts, whole in (("en", ("", "a", "", "b"), "a b"), ("ja", ("猫", "犬"), "猫犬")):
        parts = [make_part(spoken("u", stretch("u.wav", 2.0)), nbest("u", text), language) for text in texts]
        assert json.loads(encode_json(RecordingText("u", "asr", timed=True, parts=parts)))["text"] == whole
