"""Bootstrap aggregation (Breiman 1996): manifests drawn with replacement, one per member to be trained.

Bag k depends on the seed, on k and on the order of the data only, so more bags do not change the first ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.errors import ConfigError, DataError
from components.models.digests import sha256_of, write_atomically
from components.records import Record, Sha256, Utterance


class Bag(Record):
    """A manifest of as many draws as there are utterances, and what was not drawn (about 36.8%)."""

    path: str
    sha256: Sha256
    draws: int
    distinct: int
    out_of_bag: tuple[str, ...]
    out_of_bag_path: str


def bags(utterances: Sequence[Utterance], folder: Path, members: int, seed: int) -> list[Bag]:
    """Write ``bag-1.jsonl``... and ``bag-1.out.txt`` (ids out of the bag, one a line) into ``folder``.

    A manifest is JSONL that ``antiphon run train --set training.data=...`` reads; an utterance drawn again
    has ``#2``, ``#3``... after its id. Audio paths are written absolute. Raises :class:`DataError` for no
    utterances or two of one id, :class:`ConfigError` for no members.
    """
    if members < 1:
        raise ConfigError(f"members: expected at least 1 bag, found {members}")
    ids = [utterance.id for utterance in utterances]
    if not ids or len(set(ids)) != len(ids):
        raise DataError(f"expected utterances with different ids to draw from, found {len(ids)}")
    folder.mkdir(parents=True, exist_ok=True)
    return [_bag(utterances, folder, number, seed) for number in range(1, members + 1)]


def _bag(utterances: Sequence[Utterance], folder: Path, number: int, seed: int) -> Bag:
    rng = np.random.default_rng([seed, number])
    drawn = rng.integers(len(utterances), size=len(utterances)).tolist()
    times: dict[int, int] = {}
    lines = []
    for place in drawn:
        times[place] = times.get(place, 0) + 1
        lines.append(json.dumps(_row(utterances[place], times[place]), ensure_ascii=False) + "\n")
    out = tuple(u.id for place, u in enumerate(utterances) if place not in times)
    path, rest = folder / f"bag-{number}.jsonl", folder / f"bag-{number}.out.txt"
    write_atomically(path, "".join(lines).encode())
    write_atomically(rest, "".join(f"{name}\n" for name in out).encode())
    return Bag(
        path=str(path),
        sha256=sha256_of(path),
        draws=len(drawn),
        distinct=len(times),
        out_of_bag=out,
        out_of_bag_path=str(rest),
    )


def _row(utterance: Utterance, time: int) -> dict[str, object]:
    """The utterance as our own manifests write it."""
    row: dict[str, object] = {
        "id": utterance.id if time == 1 else f"{utterance.id}#{time}",
        "text": utterance.text,
        "transcript": utterance.transcript,
        "source_language": utterance.source_language,
        "target_language": utterance.target_language,
        "references": list(utterance.references),
        "domain": utterance.domain,
    }
    if utterance.audio is not None:
        row["audio"] = str(Path(utterance.audio.path).absolute())
        row |= {"offset": utterance.audio.offset, "duration": utterance.audio.seconds}
        row["sha256"] = utterance.audio.sha256
    return {name: value for name, value in row.items() if value not in (None, [])}
