"""Latency of outputs that were written while the input was heard.

All functions take the delay of each unit of an output, its source's length and the reference's number of
units; times are seconds since the source began. Sources: average lagging, AL (Ma et al. 2019);
length-adaptive, LAAL (Papi et al. 2022; Polak et al. 2022); average proportion, AP (Cho and Esipova 2016);
yet another average lagging, YAAL, and of segments of long recordings LongYAAL (Polak et al. 2025,
https://arxiv.org/abs/2509.17349).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

from components.records import Record


class Latencies(Record):
    """Latency of one output in seconds, AP a ratio; None where it is not defined.

    Attributes:
        al, laal, yaal: average laggings.
        ap: average proportion.
        start: when the first unit was written, from the source's beginning.
        end: when the last one was, from the source's end.
    """

    al: float | None
    laal: float | None
    yaal: float | None
    ap: float | None
    start: float | None
    end: float | None


def lagging(delays: Sequence[float], length: float, target: int) -> float | None:
    """Return the mean lag behind an ideal policy that writes ``target`` units evenly over the source.

    Units after the one that was written at the source's end, or later, do not count.
    """
    if not delays or length <= 0 or target <= 0:
        return None
    if delays[0] > length:
        return delays[0]
    before = list(takewhile(lambda delay: delay < length, delays))
    counted = delays[: len(before) + 1]
    return sum(delay - n * length / target for n, delay in enumerate(counted)) / len(counted)


def average_lagging(delays: Sequence[float], length: float, reference: int) -> float | None:
    """Return AL."""
    return lagging(delays, length, reference)


def length_adaptive_lagging(delays: Sequence[float], length: float, reference: int) -> float | None:
    """Return LAAL: outputs that are too long gain nothing."""
    return lagging(delays, length, max(len(delays), reference))


def yet_another_lagging(
    delays: Sequence[float],
    length: float,
    reference: int,
    *,
    is_segment: bool = False,
    recording_end: float = math.inf,
) -> float | None:
    """Return YAAL: units that were written when nothing more was to be heard do not count.

    Args:
        delays: of each unit.
        length: of the source.
        reference: units of the reference.
        is_segment: whether the source is a segment of a longer recording, which goes on after it (LongYAAL).
        recording_end: of that recording, from the segment's beginning.
    """
    limit = recording_end if is_segment else min(length, recording_end)
    counted = list(takewhile(lambda delay: delay < limit, delays))
    if not counted or length <= 0:
        return None
    target = max(len(delays), reference)
    return sum(delay - n * length / target for n, delay in enumerate(counted)) / len(counted)


def average_proportion(delays: Sequence[float], length: float, reference: int) -> float | None:
    """Return AP."""
    if not delays or length <= 0 or reference <= 0:
        return None
    return sum(delays) / (length * reference)


def measure_latencies(
    delays: Sequence[float],
    length: float,
    reference: int,
    *,
    is_segment: bool = False,
    recording_end: float = math.inf,
) -> Latencies:
    """Return all latencies of an output."""
    return Latencies(
        al=average_lagging(delays, length, reference),
        laal=length_adaptive_lagging(delays, length, reference),
        yaal=yet_another_lagging(
            delays, length, reference, is_segment=is_segment, recording_end=recording_end
        ),
        ap=average_proportion(delays, length, reference),
        start=delays[0] if delays else None,
        end=delays[-1] - length if delays else None,
    )
