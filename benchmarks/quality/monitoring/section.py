"""Is it still as good? Sequential tests, alarms without references, and words that are not in the sound.

Kept are the numbers per utterance that replays draw from; ``--parts`` names what is measured anew:
``replays`` and ``savings`` need kept outputs of other pages alone, ``profiles`` recognizes captions,
``life`` and ``changes`` replay these, ``probe`` reads two finished probes of the store.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

from antiphon import Run
from benchmarks.common.measurements import read_measurements
from benchmarks.common.sections import Result, option
from benchmarks.quality.monitoring import probing, sequential, watching
from benchmarks.quality.monitoring.recordings import CHANGED, run_sets
from components.monitoring.drift.profile import profile_measured, profile_run
from components.monitoring.drift.stage_signals import measure_stages

PAGE = "monitoring"
PARTS = ("replays", "savings", "profiles", "life", "changes", "probe")
NULL_PAIRS = {"bleu": "seeds", "wer": "spoken_captions"}
"""Metric -> the experiment whose first pair of systems is replayed."""
OPTIONS = {
    "work": option(Path("monitoring-work"), "folder of data and store"),
    "parts": option(PARTS, "what is measured", choices=PARTS),
    "lives": option(2000, "replays of a watched life without a change"),
    "probes": option(("probe-original", "probe-memorized"), "their runs", nargs=2),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Every part that is asked for."""
    parts = set(options.parts)
    if "replays" in parts:
        yield Result("replays", [_replay(metric) for metric in NULL_PAIRS])
    if "savings" in parts:
        pairs = [pair for metric in NULL_PAIRS for pair in sequential.read_pairs(metric)]
        yield Result("savings", [sequential.measure_pair(pair) for pair in pairs])
    if "profiles" in parts:
        yield Result(
            "profiles",
            profile_sets(run_sets(options.work)),
            ["packaged:whisper-tiny.en", "packaged:whisper-base"],
        )
    if parts & {"life", "changes"}:
        kept = read_measurements(PAGE, options.out)["profiles"]
        sets = {name: watching.read(rows) for name, rows in kept.items()}
        usual = sets.pop("usual")
        if "life" in parts:
            yield Result("life", watching.replay_null(usual, options.lives))
        if "changes" in parts:
            found = {name: watching.replay_change(usual, of, 200) for name, of in sets.items()}
            yield Result("changes", found)
    if "probe" in parts:
        yield Result("probe", dict(_probes(options)), ["packaged:whisper-tiny.en"])


def _replay(metric: str) -> dict[str, object]:
    pairs = (pair for pair in sequential.read_pairs(metric) if pair.name.startswith(NULL_PAIRS[metric]))
    return sequential.replay_null(next(pairs))


def profile_sets(runs: Mapping[str, Run]) -> dict[str, object]:
    """Set -> its numbers; usual captions are those that no change hears: their words would be known."""
    run = runs["usual"]
    measured = measure_stages(run.record, run.store)
    changed = {f"caption-{number:04d}" for number in CHANGED}
    measured.ids = [key for key in measured.ids if key not in changed]
    usual = profile_measured("usual", measured)
    profiles = {
        name: profile_run(run.record, run.store, usual) for name, run in runs.items() if name != "usual"
    }
    return {name: watching.keep(profile, usual) for name, profile in {"usual": usual, **profiles}.items()}


def _probes(options: argparse.Namespace) -> Iterator[tuple[str, object]]:
    from antiphon import load_run
    from components.monitoring.probing.analysis import PROBE

    for label, name in zip(("tiny.en", "tiny.en, fine-tuned on the test set"), options.probes, strict=True):
        run = load_run(name, store=str(options.work / "store"))
        ref = next(ref for ref in run.record.stages if ref.kind == PROBE.kind)
        yield label, probing.keep([row.model_dump() for row in PROBE.read(ref).rows])
