"""What a run says where members of other vocabularies lost probability."""

from __future__ import annotations

from components.records import StageRef
from components.storage.reader import read_nbests

LOST_PREFIX = "dropped:"
"""Before a member's name: the feature that tells the probability it lost."""


def describe_lost_probability(ref: StageRef) -> list[str]:
    """A line for each member that lost some, of a finished stage."""
    lost: dict[str, list[float]] = {}
    for nbest in read_nbests(ref):
        for name, value in nbest.best.features.items():
            if name.startswith(LOST_PREFIX):
                lost.setdefault(name.removeprefix(LOST_PREFIX), []).append(value)
    return [
        f"{ref.stage}: {name} gave {100 * sum(values) / len(values):.1f}% of its probability to pieces outside "
        f"the shared vocabulary (mean over {len(values)} utterances)"
        for name, values in lost.items()
    ]
