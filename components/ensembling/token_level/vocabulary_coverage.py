"""Notes of a run on the probability that members lost where a shared vocabulary lacks their pieces."""

from __future__ import annotations

from components.run_record import StageRef
from components.storage.stages.reader import read_nbests

LOST_PREFIX = "dropped:"
"""Before a member's name: the feature of a hypothesis that holds the probability which the member lost."""


def describe_lost_probability(ref: StageRef) -> list[str]:
    """One line for each member of a finished stage that lost probability, with the mean over utterances."""
    lost: dict[str, list[float]] = {}
    for nbest in read_nbests(ref):
        for name, value in nbest.best.features.items():
            if name.startswith(LOST_PREFIX):
                lost.setdefault(name.removeprefix(LOST_PREFIX), []).append(value)
    return [
        f"{ref.stage}: {name} gave {100 * sum(values) / len(values):.1f}% of its probability to pieces "
        f"outside the shared vocabulary (mean over {len(values)} utterances)"
        for name, values in lost.items()
    ]
