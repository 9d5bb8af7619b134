"""Tallies: counts and sums over the records of a shard or a stage: they answer questions without reading any.

They stand in the header of a shard and, summed, in the seal of its stage.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from components.records import NBest, NodeOutcome, Route, Utterance

Tallies = dict[str, dict[str, float]]
"""What is counted -> value -> how often, or its sum."""

PROFILES, TOTALS, BRANCHES, DECISIONS, FEATURE = "profiles", "totals", "branches", "decisions", "feature:"
AUDIO_SECONDS, CHARACTERS, WRITTEN, REFERENCED = "audio_seconds", "characters", "written", "referenced"
READ = "read"
"""Sums over what was read to compute the records."""
ACCEPTED, NOT_ACCEPTED, GOING, STOPPED = "accepted", "not accepted", "going", "stopped"
"""Decisions of a round: about its proposal, and about the rounds that follow."""
_LARGEST_COUNTED = 32
"""Whole numbers up to here are counted one by one."""


class UtteranceProfile(NamedTuple):
    """What decides which nodes have something to do with an utterance."""

    source_language: str
    target_language: str | None
    has_audio: bool
    has_text: bool


class FeatureTally(NamedTuple):
    """The values of a feature of the best hypotheses.

    Attributes:
        n: how many hypotheses have it.
        total: sum of the values.
        at_least_half: how many are 0.5 or more.
        counts: whole number, at most 32 -> how often.
    """

    n: int
    total: float
    at_least_half: int
    counts: dict[int, int]


NO_VALUES = FeatureTally(0, 0.0, 0, {})


def profile_of(utterance: Utterance) -> UtteranceProfile:
    """Return the profile of an utterance."""
    return UtteranceProfile(
        utterance.source_language,
        utterance.target_language,
        utterance.audio is not None,
        utterance.text is not None,
    )


def tally_outcomes(outcomes: Iterable[NodeOutcome]) -> Tallies:
    """Return the tallies of records of any sort; of what could not be processed nothing is counted."""
    tallies: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(int))
    for outcome in outcomes:
        if isinstance(outcome, Utterance):
            tallies[PROFILES][json.dumps(profile_of(outcome))] += 1
            for name, size in _sizes_of(outcome):
                tallies[TOTALS][name] += size
        elif isinstance(outcome, Route):
            tallies[BRANCHES][outcome.branch] += 1
        elif isinstance(outcome, NBest):
            for what, value, amount in _facts_of(outcome):
                tallies[what][value] += amount
    return {what: dict(counted) for what, counted in tallies.items()}


def _sizes_of(utterance: Utterance) -> Iterable[tuple[str, float]]:
    if utterance.references or utterance.reference_segments or utterance.transcript is not None:
        yield REFERENCED, 1
    if utterance.audio is not None:
        yield AUDIO_SECONDS, utterance.audio.seconds
    elif utterance.text is not None:
        yield WRITTEN, 1
        yield CHARACTERS, len(utterance.text)


def _facts_of(nbest: NBest) -> Iterable[tuple[str, str, float]]:
    best = nbest.best
    for name, value in best.features.items():
        what = f"{FEATURE}{name}"
        yield what, "n", 1
        yield what, "sum", value
        yield what, "half", value >= 0.5
        if 0 <= value <= _LARGEST_COUNTED and value == int(value):
            yield what, f"={int(value)}", 1
    if best.decision is not None:
        yield DECISIONS, ACCEPTED if best.decision.accepted else NOT_ACCEPTED, 1
        yield DECISIONS, GOING if best.decision.stopped is None else STOPPED, 1


def add_tallies(parts: Iterable[Mapping[str, Mapping[str, float]]]) -> Tallies:
    """Return the sums of tallies."""
    total: Tallies = {}
    for part in parts:
        for what, counted in part.items():
            values = total.setdefault(what, {})
            for value, amount in counted.items():
                values[value] = values.get(value, 0) + amount
    return total


def profiles_in(tallies: Tallies) -> dict[UtteranceProfile, int]:
    """Return how many utterances there are of each profile."""
    return {
        UtteranceProfile(*json.loads(profile)): int(n) for profile, n in tallies.get(PROFILES, {}).items()
    }


def features_in(tallies: Tallies) -> dict[str, FeatureTally]:
    """Return what the best hypotheses have of each feature, by its name."""
    return {
        what.removeprefix(FEATURE): FeatureTally(
            int(counted["n"]),
            counted["sum"],
            int(counted.get("half", 0)),
            {int(value[1:]): int(n) for value, n in counted.items() if value.startswith("=")},
        )
        for what, counted in tallies.items()
        if what.startswith(FEATURE)
    }
