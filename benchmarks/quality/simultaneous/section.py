"""Is AlignAtt better than local agreement at the same latency? Replays of recordings in chunks of a second.

Every recording goes through every policy before the next one, and is kept in ``--work``: the same command
goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common.sections import Result, option
from benchmarks.quality.simultaneous.recordings import make_set
from benchmarks.quality.simultaneous.replays import RECOGNIZERS, SETTINGS, TRANSLATOR, open_twin, replay_all

PAGE = "simultaneous"
OPTIONS = {
    "work": option(Path("simultaneous-work"), "folder of replays"),
    "sets": option(tuple(SETTINGS), "in this order", choices=SETTINGS),
    "recordings": option(int, "of each set, from its beginning; default all"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Each set."""
    for name in options.sets:
        recordings = make_set(name, options.work / "sound")[: options.recordings]
        rows = list(replay_all(open_twin(name), recordings, options.work))
        translators = [TRANSLATOR] if name == "captions" else []
        yield Result(name, rows, [RECOGNIZERS[name], *translators])
