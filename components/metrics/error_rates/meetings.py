"""Error rates of recordings with several speakers, by meeteval (https://github.com/fgnt/meeteval).

Speakers of the output are matched with those of the reference so that the errors are fewest, as nobody knows
their names; a word that is said by the wrong speaker is wrong. A recording is a unit, since the assignment is
its own; its counts add up, so intervals and tests are those of other error rates.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from components.metrics.error_rates.error_rate import normalizer_signature
from components.metrics.error_rates.turns import Turn
from components.metrics.metric import Metric, Segments
from components.metrics.normalizers import BY_LANGUAGE, normalizer_for
from components.metrics.statistics.bootstrap import FloatArray

COLLAR = 5.0
"""Seconds by which times may differ, as in CHiME-7 and CHiME-8."""


@dataclass(frozen=True)
class SpeakerErrorRate(Metric):
    """An error rate over recordings whose turns have speakers; statistics are errors and reference words.

    Left out where either side has no speakers, and where meeteval is not installed.
    """

    output = "transcript"
    needs = frozenset({"reference", "speakers"})
    higher_is_better = False
    ceiling = 0.0
    sentence_metric = "wer"
    of_recordings = True
    is_utility = False
    protocol: ClassVar[str] = ""
    """Of the signature: what beside the words decides."""
    normalizer: str = BY_LANGUAGE

    @abstractmethod
    def count(self, reference: Any, output: Any) -> tuple[int, int]:
        """Return errors and reference words of one recording, both sides as meeteval's segments."""

    def score(self, sums: FloatArray) -> FloatArray:
        """Return rates (...) in percent of sums (..., 2)."""
        return 100.0 * (sums[..., 0] / np.maximum(sums[..., 1], 1))

    def select(self, segments: Segments) -> Segments:
        """Return the recordings whose reference has speakers."""
        whole = segments.recordings
        if whole is None or find_spec("meeteval") is None:
            return segments.subset([])
        return whole.subset([n for n, (reference, _) in enumerate(whole.turns) if reference])

    def statistics(self, segments: Segments) -> FloatArray:
        """Return errors and reference words (n, 2)."""
        rows = [
            self.count(*(self._to_seglst(turns, language) for turns in sides))
            for sides, language in zip(segments.turns, segments.languages, strict=True)
        ]
        return np.asarray(rows, np.float64).reshape(-1, 2)

    def signature(self, segments: Segments) -> str:
        """Return the normalizers of the languages, the rules of times, and the version of meeteval."""
        normalizers = normalizer_signature(segments, self.normalizer)
        return f"{self.name}|corpus|norm:{normalizers}{self.protocol}|meeteval:{version('meeteval')}"

    def _to_seglst(self, turns: Sequence[Turn], language: str) -> Any:
        from meeteval.io import SegLST  # noqa: PLC0415 - of the extra meetings

        normalize = normalizer_for(language, self.normalizer)
        return SegLST(
            [
                {
                    "session_id": "recording",
                    "speaker": turn.speaker,
                    "start_time": turn.start,
                    "end_time": turn.end,
                    "words": normalize(turn.text),
                }
                for turn in turns
            ]
        )


@dataclass(frozen=True)
class ConcatenatedErrorRate(SpeakerErrorRate):
    """cpWER: all words of a speaker in a row, the best of all assignments (Watanabe et al. 2020)."""

    name = "cpwer"
    rank = 40
    label = "cpWER"

    def count(self, reference: Any, output: Any) -> tuple[int, int]:
        """Return errors and reference words of one recording."""
        from meeteval.wer.wer.cp import cp_word_error_rate  # noqa: PLC0415 - of the extra meetings

        rate = cp_word_error_rate(reference, output)
        return rate.errors, rate.length


@dataclass(frozen=True)
class TimeConstrainedErrorRate(SpeakerErrorRate):
    """tcpWER: cpWER in which words match only if they are said at the same time (von Neumann et al. 2023).

    Words of a turn are spread over it by their letters, as meeteval does by default.
    """

    name = "tcpwer"
    rank = 41
    label = "tcpWER"
    protocol = f"|collar:{COLLAR:g}s"

    def count(self, reference: Any, output: Any) -> tuple[int, int]:
        """Return errors and reference words of one recording."""
        from meeteval.wer.wer.time_constrained import tcp_word_error_rate  # noqa: PLC0415 - extra meetings

        rate = tcp_word_error_rate(reference, output, collar=COLLAR)
        return rate.errors, rate.length
