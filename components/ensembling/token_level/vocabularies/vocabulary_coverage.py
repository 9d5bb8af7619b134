"""Notes of a run on the probability that members lost where a shared vocabulary lacks their pieces."""

from __future__ import annotations

from components.models.references import shorten_keys
from components.run_record import StageRef
from components.storage.shards.tallies import features_in
from components.storage.stages.reader import read_tallies

LOST_PREFIX = "dropped:"
"""Before a member's name: the feature of a hypothesis that holds the probability which the member lost."""


def describe_lost_probability(ref: StageRef) -> list[str]:
    """Describe in a line each member of a finished stage that lost probability, by the mean of utterances."""
    features = features_in(read_tallies(ref))
    return [
        f"{ref.stage}: {shorten_keys(name.removeprefix(LOST_PREFIX))} gave {100 * lost.total / lost.n:.1f}% "
        f"of its probability to pieces outside the shared vocabulary (mean over {lost.n} utterances)"
        for name, lost in features.items()
        if name.startswith(LOST_PREFIX)
    ]
