from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.metrics.error_rates.recognition import utterance_errors
from components.metrics.normalizers import OPEN_ASR
from reports.views.utterance_alignment import align_to_references, split_units


def operations(comparison: object) -> str:
    return "".join(edit.operation[0] for edit in comparison.edits)  # type: ignore[attr-defined]


def test_transcripts_are_marked_as_their_wer_counts_them() -> None:
    result = align_to_references(
        {"u": ("Two dogs, running!",)}, {"u": "two dog running"}, language="en", recognition=True
    )["u"]
    assert operations(result) == "ese"
    assert result.values == {"wer": pytest.approx(100 / 3)}
    assert result.reference == "Two dogs, running!"


def test_empty_reference_has_no_rate_but_its_insertions_are_marked() -> None:
    result = align_to_references({"u": ("",)}, {"u": "you you"}, language="en", recognition=True)["u"]
    assert (operations(result), result.values) == ("ii", {"wer": None})


def test_translations_are_aligned_with_the_closest_reference() -> None:
    refs = {"u": ("etwas ganz anderes hier", "Ein Hund läuft.", "")}
    result = align_to_references(refs, {"u": "Ein Hund rennt."}, language="de", recognition=False)["u"]
    assert result.reference == "Ein Hund läuft."
    assert operations(result) == "eese"
    assert set(result.values) == {"chrf", "bleu"}


def test_characters_where_there_are_no_spaces() -> None:
    result = align_to_references({"u": ("你好世界",)}, {"u": "你好世间"}, language="zh", recognition=True)[
        "u"
    ]
    assert (operations(result), result.values, result.spaced) == ("eees", {"cer": 25.0}, False)
    assert split_units("你 好", "zh") == ["你", "好"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Das ist's: gut!", ["Das", "ist's", ":", "gut", "!"]),
        ("E-Mail (neu)", ["E-Mail", "(", "neu", ")"]),
        ("„Hallo“, sagt er.", ["„", "Hallo", "“", ",", "sagt", "er", "."]),
        ("हिन्दी", ["हिन्दी"]),
        ("", []),
    ],
)
def test_units(text: str, words: list[str]) -> None:
    assert split_units(text, "de") == words


@given(st.text())
def test_units_lose_nothing_but_spaces(text: str) -> None:
    assert "".join(split_units(text, "de")) == "".join(text.split())


@given(st.text("ab c", max_size=12), st.text("ab c", max_size=12))
def test_rates_are_those_of_the_metric(reference: str, output: str) -> None:
    result = align_to_references({"u": (reference,)}, {"u": output}, language="de", recognition=True)["u"]
    assert result.values["wer"] == utterance_errors({"u": reference}, {"u": output}, language="de")["u"].rate


def test_the_rate_under_the_leaderboards_normalizer_is_that_of_its_metric() -> None:
    """Which counts no error where a compound is written as two words; the marks are of single words."""
    references, texts = {"u": "He colours the ice cream, uh, red."}, {"u": "he colors the icecream red"}
    one = {"language": "en", "normalizer": OPEN_ASR}
    result = align_to_references({"u": (references["u"],)}, texts, recognition=True, **one)["u"]
    assert result.values == {"wer": utterance_errors(references, texts, **one)["u"].rate}
    assert (result.normalizer, result.values) == (OPEN_ASR, {"wer": 0.0})
