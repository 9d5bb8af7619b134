"""What a run says where members of other vocabularies lost probability."""

from __future__ import annotations

from components.records import StageRef
from components.storage.reader import hypotheses

DROPPED = "dropped:"
"""Before a member's name: the feature that tells the probability it lost."""


def vocabulary_notes(ref: StageRef) -> list[str]:
    """A line for each member that lost some, of a finished stage."""
    lost: dict[str, list[float]] = {}
    for nbest in hypotheses(ref):
        for name, value in nbest.best.features.items():
            if name.startswith(DROPPED):
                lost.setdefault(name.removeprefix(DROPPED), []).append(value)
    return [
        f"{ref.stage}: {name} gave {100 * sum(each) / len(each):.1f}% of its probability to pieces outside "
        f"the shared vocabulary (mean over {len(each)} utterances)"
        for name, each in lost.items()
    ]
