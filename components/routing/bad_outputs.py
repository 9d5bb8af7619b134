"""What counts as a bad output, such as ``wer > 0.2``: a metric of one utterance beyond a limit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import ge, gt, le, lt

from components.text.suggestions import did_you_mean

RATES = ("wer", "cer", "ter")
"""Metrics whose limit is a share of the reference (0.2, or 20%); the others are scores from 0 to 100."""
SCORES = ("chrf", "bleu")
_FORM = re.compile(r"\s*([a-z_]+)\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)\s*(%?)\s*")
_MAX_SHARE = 2.0
"""A limit above it was meant in percent."""
_HOLDS = {"<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True)
class BadOutput:
    """A condition on one output.

    Attributes:
        metric: name of a row of the table of metrics.
        operator: ``<``, ``<=``, ``>`` or ``>=``.
        limit: on the metric's own scale, from 0 to 100.
    """

    metric: str
    operator: str
    limit: float

    def __str__(self) -> str:
        """Return it as a user writes it."""
        return f"{self.metric} {self.operator} {self.limit:g}{'%' if self.metric in RATES else ''}"

    def holds(self, score: float) -> bool:
        """Return whether an output with this score of its own is bad."""
        return bool(_HOLDS[self.operator](score, self.limit))


def parse_bad_output(text: str) -> BadOutput:
    """Read ``METRIC OPERATOR NUMBER``.

    Raises:
        ValueError: it is none, or no output of the metric or every one would be bad.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(
            f"expected METRIC OPERATOR NUMBER such as 'wer > 0.2' or 'chrf < 40', found {text!r}"
        )
    metric, operator, number, percent = match.groups()
    if metric not in RATES + SCORES:
        hint = did_you_mean(metric, RATES + SCORES)
        raise ValueError(f"expected one of {', '.join(RATES + SCORES)}, found {metric!r}{hint}")
    worse = ">" if metric in RATES else "<"
    if not operator.startswith(worse):
        raise ValueError(f"expected {metric} {worse} {number}, since those outputs are worse, found {text!r}")
    return BadOutput(metric, operator, _to_scale(metric, float(number), bool(percent), text))


def _to_scale(metric: str, number: float, is_percent: bool, text: str) -> float:
    """Return a limit on the metric's own scale."""
    if metric in RATES:
        if not is_percent and number > _MAX_SHARE:
            raise ValueError(f"expected a share such as 0.2, or 20%, found {text!r}; say {number:g}%")
        return number if is_percent else 100 * number
    if is_percent or 0 < number <= 1 or number > 100:
        raise ValueError(f"expected a limit of {metric} from 1 to 100, found {text!r}")
    return number
