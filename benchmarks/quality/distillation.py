"""Distilled students against the same student without a teacher, at equal updates (Kim & Rush 2016).

Every student runs through ``flows/distill.py``: stages resume, and finished ones are used again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.paths import RESULTS
from benchmarks.common.tables import format_interval, format_p_value
from benchmarks.speed import distillation as speed
from components import data
from components.metrics.significance import Difference, translation_tests
from components.metrics.translation import translation_scores
from components.records import NBest, Utterance
from components.run_record import RunRecord, Score
from components.translation.translator import Translator

OUT = RESULTS / "distillation.md"
TEACHER = "packaged:multi30k-en-de"
NAMES = {
    "none": "student, no teacher",
    "word": "student, word level",
    "sequence": "student, sequence level",
    "interpolated": "student, interpolated",
}
SETS = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")


def student_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Shape and training, the same for every level: only the targets and the loss differ."""
    return {
        "limit": options.limit,
        "num_layers": 2,
        "decoder_layers": 1,
        "dropout": 0.1,
        "max_steps": options.steps,
        "lr_schedule": "linear",
        "learning_rate": 1e-3,
        "warmup_steps": 50,
        "eval_every": max(1, options.steps // 2),
        "eval_sentences": 200,
        "average_checkpoints": 1,
        "patience": 1000,
        "device": "cpu",
    }


def run_distillation(level: str, options: argparse.Namespace) -> RunRecord:
    """The finished run of one level."""
    from flows.distill import distill  # first of all that imports Prefect: it brings the settings
    from tasks.task_options import unwrap

    teacher = {"model": TEACHER, "members": list(options.members), "batch_size": 32, "device": "cpu"}
    run: RunRecord = unwrap(
        distill(
            level=level,
            teacher=teacher,
            student=student_settings(options),
            teacher_layers=True,
            kd_ratio=0.7,
            beam_size=1,
            name=f"distillation-{level}",
            replace=True,
        )
    )
    return run


def key_of(run: RunRecord) -> str:
    """The reference of a run's student."""
    return next(f"store:{ref.key}" for ref in run.stages if ref.stage == "training")


def translate(translator: Translator, utterances: Sequence[Utterance]) -> dict[str, str]:
    """Utterance id -> best translation."""
    outcomes = translator.translate(utterances)
    return {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}


def format_row(name: str, scores: Mapping[str, Score], tests: Mapping[str, Difference], minutes: str) -> str:
    """One line of the table."""
    cells = []
    for split, score in scores.items():
        cell = f"{score.value:.2f}{format_interval(score.interval, ' ({:.1f} to {:.1f})')}"
        if split in tests:
            difference = tests[split]
            cell += (
                f", {difference.difference:+.2f}{format_interval(difference.interval, ' [{:+.2f}, {:+.2f}]')}"
            )
            cell += f" p {format_p_value(difference.p_holm)}"
        cells.append(cell)
    return f"| {name} | {minutes} | " + " | ".join(cells) + " |"


PROTOCOL = """\
`python -m benchmarks.quality distillation --limit {limit} --steps {steps} --members ...`: {teachers} teachers
of 3+3 layers (other seeds or samples of the data, one vocabulary), mixed linearly; students of 2+1 layers,
width 256, which all begin with layers 1 and 3 of the encoder and layer 1 of the decoder of `{first}` and
are trained for {steps} updates on the first {limit} pairs of Multi30k (seed, schedule and batch size equal).
Word level: 0.7 KL to the mixture (temperature 1), 0.3 cross-entropy. Sequence level: the ensemble's beam-4
output for these training sources in place of the references; interpolated: of its 4 best, the nearest to the
reference.

BLEU, beam 5, our decoder, {counts}, with 95% bootstrap intervals; after it the difference to the student
without a teacher, its 95% interval and p (paired bootstrap, two-sided, Holm over the systems). One training
each: other seeds are not in the intervals. The checkpoint is chosen on the validation set. `{signature}`

Wall minutes are those of a machine that may have been shared: upper bounds.
"""


def score_systems(
    ready: Mapping[str, Translator], options: argparse.Namespace
) -> tuple[dict[str, dict[str, Score]], dict[str, dict[str, Difference]]]:
    """BLEU of every system on every set, and its difference to the student without a teacher."""
    scores: dict[str, dict[str, Score]] = {name: {} for name in ready}
    tests: dict[str, dict[str, Difference]] = {name: {} for name in ready}
    for split in options.sets:
        languages = {"source_language": "en", "target_language": "de"}
        test = data.load(f"multi30k:{split}", limit=options.test_limit, **languages).utterances
        references = {u.id: u.references for u in test}
        texts = {name: translate(translator, test) for name, translator in ready.items()}
        for name, outputs in texts.items():
            whole = translation_scores(references, outputs, language="de", n_total=len(test))
            scores[name][split] = whole["bleu"]
        for difference in translation_tests(references, texts, NAMES["none"], language="de", names=("bleu",)):
            tests[difference.system][split] = difference
    return scores, tests


def write_report(runs: Mapping[str, RunRecord], options: argparse.Namespace) -> str:
    """Score every student and its teachers, measure the speed, and say it all."""
    store, teachers = os.environ.get("ANTIPHON_STORE"), [TEACHER, *options.members]
    ready: dict[str, Translator] = {}
    for level, run in runs.items():
        translators = speed.load_systems(teachers, key_of(run), 5, store)
        ready |= {speed.ENSEMBLE: translators[speed.ENSEMBLE], speed.ONE: translators[speed.ONE]}
        ready[NAMES[level]] = translators[speed.STUDENT]
    scores, tests = score_systems(ready, options)
    first = scores[speed.ENSEMBLE]
    best = max(runs, key=lambda level: runs[level].metrics["dev_bleu"].value)
    minutes = {
        NAMES[level]: f"{sum(ref.seconds for ref in run.stages if ref.stage == 'training') / 60:.1f}"
        for level, run in runs.items()
    }
    protocol = PROTOCOL.format(
        teachers=len(teachers),
        first=TEACHER,
        steps=options.steps,
        limit=options.limit,
        counts=", ".join(
            f"{first[split].n} of {first[split].n_total} sentences of {split}" for split in options.sets
        ),
        signature=first[options.sets[0]].signature,
    )
    lines = [
        "# Distillation: one small student out of an ensemble",
        "",
        protocol,
        "| system | minutes of training (wall) | " + " | ".join(options.sets) + " |",
        "|---|---|" + "---|" * len(options.sets),
        *(format_row(name, scores[name], tests[name], minutes.get(name, "")) for name in ready),
        "",
        f"Speed of the student ({NAMES[best]}; all have the same shape), 200 sentences of test_2016_flickr, "
        f"CPU time of one thread, {options.rounds} interleaved rounds in one process:",
        "",
        *speed.time_table(teachers, key_of(runs[best]), 200, options.rounds, store),
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> None:
    """Train what is missing, then write the report."""
    parser = argparse.ArgumentParser(prog="benchmarks.quality distillation", description=__doc__)
    parser.add_argument("--members", nargs="*", default=[], help=f"teachers beside {TEACHER}")
    parser.add_argument("--limit", type=int, default=15_000, help="training pairs, and sources decoded")
    parser.add_argument("--steps", type=int, default=500, help="updates of every student")
    parser.add_argument("--levels", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--sets", nargs="+", default=list(SETS[:2]), choices=SETS, help="test sets")
    parser.add_argument("--test-limit", type=int, help="sentences of each test set; all unless set")
    parser.add_argument("--rounds", type=int, default=5, help="of the speed measurement")
    parser.add_argument("--train-only", action="store_true", help="train the levels, write no report")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    runs = {level: run_distillation(level, options) for level in options.levels}
    if not options.train_only:
        options.out.write_text(write_report(runs, options), encoding="utf-8")
        print(options.out.read_text(encoding="utf-8"))
