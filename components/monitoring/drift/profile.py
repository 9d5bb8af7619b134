"""The profile of a run: a table of numbers per stage and utterance, without texts and sound.

It is what ``antiphon runs accept`` keeps, so that later runs can be watched when the stages are long pruned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from pydantic import Field, ValidationError

from components.errors import DataError, StoreError, to_one_line
from components.files.files import encode_json
from components.monitoring.drift.stage_signals import Measured, Signals, measure_stages
from components.monitoring.drift.texts import words_of
from components.pipeline.pipeline import DATA
from components.records import Record
from components.run_record import RunRecord
from components.storage.store import Store

PROFILE = "profile.json"
"""File of a profile in the folder of its run."""
VERSION = 1
UNSEEN = "unseen_share"
MIN_ACCEPTED = 20
"""Accepted numbers that a signal needs."""


class StageProfile(Record):
    """A stage: signal -> a number per utterance, None where it has none.

    Attributes:
        stage: name of the node; ``data`` for the data set.
        kind: of the node.
        signals: by name.
        languages: of its texts, per utterance; empty of what has none.
        words: of a text node, digests of the words of every other utterance, which the others, and those of
            later runs, are compared with.
        errors: statistics per utterance of what it is scored by, where there are references.
    """

    stage: str
    kind: str
    signals: dict[str, tuple[float | None, ...]]
    languages: tuple[str | None, ...] = ()
    words: tuple[int, ...] = ()
    errors: tuple[tuple[float, ...] | None, ...] = ()


class Profile(Record):
    """What is known of a run's utterances, stage by stage in the order of the graph."""

    version: int = Field(ge=1)
    run: str
    ids: tuple[str, ...]
    stages: tuple[StageProfile, ...]

    def stage(self, name: str) -> StageProfile | None:
        """Return a stage by the name of its node; None of what the run does not have."""
        return next((each for each in self.stages if each.stage == name), None)


def profile_run(run: RunRecord, store: Store, accepted: Profile | None = None) -> Profile:
    """Measure a run whose stages are there; unseen are words that the accepted run, or half of this, lacks.

    Raises:
        DataError: the run has no data set.
    """
    return profile_measured(run.name, measure_stages(run, store), accepted)


def profile_measured(name: str, measured: Measured, accepted: Profile | None = None) -> Profile:
    """Return the profile of a run that was measured."""
    ids = tuple(measured.ids)
    known = {} if accepted is None else {each.stage: frozenset(each.words) for each in accepted.stages}
    stages = tuple(_to_profile(signals, ids, known.get(signals.stage)) for signals in measured.stages)
    return Profile(version=VERSION, run=name, ids=ids, stages=stages)


def _to_profile(signals: Signals, ids: Sequence[str], known: frozenset[int] | None) -> StageProfile:
    texts = {} if signals.passes_on else signals.texts
    words = {key: {digest_word(word) for word in words_of(text)} for key, text in texts.items()}
    own = frozenset(word for key in ids[::2] for word in words.get(key, ()))
    judged, known = (ids, known) if known else (ids[1::2], own)
    unseen = {key: len(words[key] - known) / len(words[key]) for key in judged if words.get(key)}
    for key, share in unseen.items():
        signals.values[key][UNSEEN] = share
    names = dict.fromkeys(name for of in signals.values.values() for name in of)
    columns = {name: tuple(_round(signals.values.get(key, {}).get(name)) for key in ids) for name in names}
    return StageProfile(
        stage=signals.stage,
        kind=signals.kind,
        signals=columns,
        languages=tuple(signals.languages.get(key) for key in ids) if signals.languages else (),
        words=tuple(sorted(own)),
        errors=tuple(signals.errors.get(key) for key in ids) if signals.errors else (),
    )


def _round(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.6g}")


def digest_word(word: str) -> int:
    """Return 32 bits of a word's digest: a profile has no text."""
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")


def keep_profile(run: RunRecord, store: Store) -> None:
    """Write the profile of an accepted run over data beside its record: numbers, neither texts nor sound."""
    if not any(ref.stage == DATA for ref in run.stages):
        return
    profile = profile_run(run, store)
    store.backend.files.write(profile_file(run.name), encode_json(profile.model_dump(mode="json")))


def load_profile(run: RunRecord, store: Store) -> Profile:
    """Return the profile of an accepted run: what was kept, else measured from its stages.

    Raises:
        StoreError: the file is damaged, or the stages are gone.
        DataError: the run has too few utterances for any signal to say something.
    """
    profile = _profile_of(run, store)
    if len(profile.ids) < MIN_ACCEPTED:
        raise DataError(
            f"run {run.name}: expected at least {MIN_ACCEPTED} accepted utterances to compare new ones with, "
            f"found {len(profile.ids)}; accept a run over more data"
        )
    return profile


def _profile_of(run: RunRecord, store: Store) -> Profile:
    profile = read_profile(profile_file(run.name), store, f"antiphon runs accept {run.name} again")
    return profile_run(store.load_run(run.name), store) if profile is None else profile


def read_profile(file: str, store: Store, remedy: str) -> Profile | None:
    """Read a profile from a file of the store; None where there is none.

    Raises:
        StoreError: the file is damaged, with what to do.
    """
    content = store.backend.files.read(file)
    try:
        return None if content is None else Profile.model_validate_json(content)
    except ValidationError as error:
        raise StoreError(
            f"{file}: expected a profile of version {VERSION}, found: {to_one_line(error)}; {remedy}"
        ) from error


def profile_file(name: str) -> str:
    """Return the name of the file of a run's profile in the store."""
    return f"runs/{name}/{PROFILE}"
