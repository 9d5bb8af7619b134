"""Conditions of bad outputs are read strictly."""

from __future__ import annotations

import pytest

from components.routing.bad_outputs import parse_bad_output


@pytest.mark.parametrize(
    ("text", "shown", "bad", "good"),
    [
        ("wer > 0.2", "wer > 20%", 20.1, 20.0),
        ("wer>=20%", "wer >= 20%", 20.0, 19.9),
        (" cer > 0 ", "cer > 0%", 0.1, 0.0),
        ("chrf < 40", "chrf < 40", 39.9, 40.0),
        ("bleu <= 12.5", "bleu <= 12.5", 12.5, 12.6),
    ],
)
def test_a_condition_is_on_the_scale_of_the_metric(text: str, shown: str, bad: float, good: float) -> None:
    condition = parse_bad_output(text)
    assert str(condition) == shown
    assert condition.holds(bad) and not condition.holds(good)
    assert parse_bad_output(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wer > 20", "expected a share such as 0.2, or 20%, found 'wer > 20'; say 20%"),
        ("wer < 0.2", "expected wer > 0.2, since those outputs are worse"),
        ("chrf > 40", "expected chrf < 40, since those outputs are worse"),
        ("chrf < 0.4", "expected a limit of chrf from 1 to 100"),
        ("chrf < 40%", "expected a limit of chrf from 1 to 100"),
        ("werr > 0.2", "found 'werr'; did you mean wer?"),
        ("wer", "expected METRIC OPERATOR NUMBER such as 'wer > 0.2' or 'chrf < 40', found 'wer'"),
        ("wer > 0.2 or True", "expected METRIC OPERATOR NUMBER"),
        ("__import__('os') > 1", "expected METRIC OPERATOR NUMBER"),
        ("wer > 1e9", "expected METRIC OPERATOR NUMBER"),
    ],
)
def test_what_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as fault:
        parse_bad_output(text)
    assert message in str(fault.value)
