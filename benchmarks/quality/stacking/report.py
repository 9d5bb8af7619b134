"""Stacked systems beside their cascade on spoken Multi30k.

``python -m benchmarks.quality stacking`` makes the audio, the models and the runs that are not there yet (in
the folder ``ANTIPHON_STACKING``), and writes docs/results/stacking-captions.md and stacking-english.md (lists
of systems with different vocabularies). Spoken homographs are an experiment of benchmarks.claims.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.common.paths import RESULTS
from benchmarks.common.tables import format_interval, format_p_value
from benchmarks.quality.stacking import english
from benchmarks.quality.stacking.runs import ASR, BUDGETS, METHODS, run
from components.metrics.significance import translation_tests
from components.metrics.translation import translation_scores
from components.run_record import RunRecord
from components.storage.reader import read_best_texts, read_utterances

SETS = {
    "test": "captions of test_2016_flickr spoken by flite (a voice of the training)",
    "piper": "the shared folder's 50 captions of test_2016_flickr spoken by piper (a voice not trained on)",
}


def caption_table(test: str, methods: Sequence[str], budget: str) -> list[str]:
    """One table: every method against the cascade on the same recordings."""
    runs = {method: run(method, test, budget) for method in methods}
    stages = {method: {ref.stage: ref for ref in record.stages} for method, record in runs.items()}
    first = stages[methods[0]]
    utterances = list(read_utterances(first["data"]))
    references = {u.id: u.references for u in utterances}
    systems = {"cascade": read_best_texts(first["mt"])}
    systems |= {method: read_best_texts(stages_of_run["stack"]) for method, stages_of_run in stages.items()}
    tests = {
        d.system: d for d in translation_tests(references, systems, "cascade", language="de", names=("bleu",))
    }
    rows = []
    for name, texts in systems.items():
        scores = translation_scores(references, texts, language="de", n_total=len(utterances))
        bleu = scores["bleu"]
        difference = "" if name == "cascade" else _format_difference(tests[name])
        rows.append(
            f"| {name} | {bleu.value:.1f}{format_interval(bleu.interval, ' ({:.1f} to {:.1f})')} | "
            f"{scores['chrf'].value:.1f} | "
            f"{difference} | {_training_seconds(runs.get(name))} | {_decoding_seconds(name, first, stages)} |"
        )
    wer = runs[methods[0]].metrics["wer"]
    signature = translation_scores(references, systems["cascade"], language="de", n_total=len(utterances))[
        "bleu"
    ].signature
    return [
        f"## {SETS[test]}",
        "",
        f"{len(utterances)} of {len(utterances)} scored; WER of the transcripts {wer.value:.1f}%. "
        f"BLEU: `{signature}`.",
        "",
        "| system | BLEU (95% interval) | chrF | BLEU against the cascade | training, wall s | "
        "decoding, wall s |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _format_difference(d) -> str:
    interval = format_interval(d.interval, " ({:+.1f} to {:+.1f})")
    return f"{d.difference:+.1f}{interval}, p {format_p_value(d.p)}, Holm {format_p_value(d.p_holm)}"


def _training_seconds(record: RunRecord | None) -> str:
    if record is None:
        return "none"
    return f"{next(ref.seconds for ref in record.stages if ref.stage == 'training'):.0f}"


def _decoding_seconds(name: str, first: dict, stages: dict) -> str:
    if name == "cascade":
        return f"{first['mt'].seconds:.1f}"
    return f"{stages[name]['stack'].seconds:.1f}"


def describe_protocol(name: str) -> list[str]:
    """How the captions' systems were made."""
    budget = BUDGETS[name]
    steps = ", ".join(f"{method} {n}" for method, n in budget.steps.items())
    return [
        f"Budget `{name}`. Training: {budget.train} captions of Multi30k spoken by flite's slt and rms, "
        f"{budget.dev} of val to choose the checkpoint and the coefficient; Whisper base (greedy, "
        f"{ASR['window_seconds']:g} s window) gives transcripts and, frozen, the states. Every stacked model "
        "starts from packaged:multi30k-en-de, which is also the cascade's translator. Steps: "
        f"{steps}. Pre-translation: {budget.pairs} written pairs in {budget.folds} parts, each drafted by a "
        f"model of {budget.fold_steps} steps from random weights on the rest: short trainings, whose "
        "drafts are far worse than those that the second system reads here. Wall seconds are those of the "
        "machine that ran it, which was shared: orders of magnitude. p: paired bootstrap, two-sided.",
        "",
    ]


def _caption_tables(options: argparse.Namespace) -> list[str]:
    lines = describe_protocol(options.budget)
    for test in options.sets:
        lines += caption_table(test, options.methods, options.budget)
    return lines


PARTS: dict[str, tuple[str, str, Callable[[argparse.Namespace], list[str]]]] = {
    "captions": ("stacking-captions.md", "Stacked systems on spoken captions", _caption_tables),
    "english": (
        "stacking-english.md",
        "Late fusion over two vocabularies: German speech into English",
        lambda options: english.format_table(),
    ),
}
"""Part -> its page, the page's title, and what writes it: either is made without the other."""


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality stacking", description=__doc__)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--budget", default="minutes", choices=list(BUDGETS))
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for part in options.parts:
        name, title, make = PARTS[part]
        lines = [
            f"# {title}",
            "",
            f"`python -m benchmarks.quality stacking {' '.join(arguments)}`".strip(),
            "",
        ]
        lines += make(options)
        (options.out / name).write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
        print("\n".join(lines))
