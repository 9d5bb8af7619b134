"""A distilled student against its teachers, in one process: our decoder for all, interleaved rounds.

The times are those of this thread on the CPU (``time.thread_time``); ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.common.paths import RESULTS
from components import data
from components.ensembling.token_level import factory
from components.ensembling.token_level.config import MixingConfig
from components.records import Utterance
from components.translation.config import TranslationConfig
from components.translation.factory import build
from components.translation.translator import Translator

OUT = RESULTS / "speed-distillation.md"
ENSEMBLE, ONE, STUDENT = "teachers, ensemble", "one teacher", "student"


def load_systems(
    teachers: Sequence[str], student: str, beam: int, store: str | None = None
) -> dict[str, Translator]:
    """The ensemble, its first member alone, and the student, ready to translate."""
    common = {"beam_size": beam, "n_best": 1, "batch_size": 32, "device": "cpu"}
    first, last = (TranslationConfig.model_validate({**common, "model": m}) for m in (teachers[0], student))
    mixing = MixingConfig()
    combine = factory.build_combiner(mixing, len(teachers))
    return {
        ENSEMBLE: factory.build_translator(first, teachers, mixing, combine, store),
        ONE: build(first, store),
        STUDENT: build(last, store),
    }


def time_rounds(
    ready: Mapping[str, Translator], utterances: Sequence[Utterance], count: int
) -> dict[str, list[float]]:
    """Seconds of CPU time of each system in each round; a first round only warms up."""
    times: dict[str, list[float]] = {name: [] for name in ready}
    for number in range(count + 1):
        for name, translator in ready.items():
            spent = _seconds(lambda translator=translator: translator.translate(utterances))
            if number:
                times[name].append(spent)
    return times


def _seconds(call: Callable[[], object]) -> float:
    started = time.thread_time()
    call()
    return time.thread_time() - started


def time_table(
    teachers: Sequence[str], student: str, limit: int, count: int, store: str | None = None
) -> list[str]:
    """Milliseconds per sentence and ratios, as lines of a table, for greedy search and beam 5."""
    test = data.load("multi30k:test_2016_flickr", source_language="en", target_language="de", limit=limit)
    lines = ["| system | search | ms per sentence | ensemble = 1 | rounds |", "|---|---|---|---|---|"]
    for beam in (1, 5):
        spent = time_rounds(load_systems(teachers, student, beam, store), test.utterances, count)
        for name, seconds in spent.items():
            ratios = [whole / own for whole, own in zip(spent[ENSEMBLE], seconds, strict=True)]
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            lines.append(
                f"| {name} | {'greedy' if beam == 1 else f'beam {beam}'} "
                f"| {1000 * statistics.median(seconds) / len(test.utterances):.1f} "
                f"| {statistics.median(ratios):.2f} times faster | {spread} |"
            )
    return lines


def main(arguments: Sequence[str]) -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.speed distillation", description=__doc__)
    parser.add_argument("--teachers", nargs="+", required=True, help="model references")
    parser.add_argument("--student", required=True, help="model reference: store:KEY of a distill run")
    parser.add_argument("--store", help="store of store:KEY")
    parser.add_argument("--limit", type=int, default=200, help="sentences")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    lines = [
        "# Distillation: the student's speed",
        "",
        f"`python -m benchmarks.speed distillation`: {options.limit} sentences of test_2016_flickr, batches "
        f"of 32, float32, one thread, {options.rounds} interleaved rounds in one process, CPU time; each "
        f"ratio's median, lowest and highest. {len(options.teachers)} teachers.",
        "",
        *time_table(options.teachers, options.student, options.limit, options.rounds, options.store),
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
