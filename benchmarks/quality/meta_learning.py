"""Meta-learning for a low-resource direction, at equal updates (Gu et al. 2018; Finn et al. 2017).

English-French and English-Czech of Multi30k are the tasks learned beforehand, English-German with 100, 600
and 3,000 pairs is adapted to. The German pairs are the first 3,000 captions, which the other directions
never see. All methods go on from one multilingual start, so that a small budget compares models that can
translate. Trainings resume, and finished ones are used again, from ``--work``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.common.paths import RESULTS
from benchmarks.common.tables import format_interval, format_p_value
from components import data
from components.metrics.significance import Difference, translation_tests
from components.metrics.translation import translation_scores
from components.records import NBest, Utterance
from components.run_record import Score
from components.training.config import TrainingConfig
from components.training.learner import MakeLearner
from components.training.meta_learner import MetaConfig, MetaLearner
from components.training.trainer import train
from components.training.translation_learner import TranslationLearner
from components.translation.config import TranslationConfig
from components.translation.factory import build

OUT = RESULTS / "meta.md"
SIZES = (100, 600, 3000)
METHODS = ("multilingual", "first-order", "maml", "reptile")
SCRATCH = "from scratch"
SHARED: dict[str, Any] = {
    "data": "multi30k:train",
    "dev": "multi30k:val",
    "seed": 1,
    "num_layers": 2,
    "d_model": 256,
    "ffn_dim": 512,
    "num_heads": 4,
    "dropout": 0.1,
    "batch_tokens": 1500,
    "average_checkpoints": 1,
    "device": "cpu",
}
BEFORE: dict[str, Any] = {"skip": max(SIZES), "adapt_data": "multi30k:train", "adapt_limit": max(SIZES)}
FRESH: dict[str, Any] = {"learning_rate": 2e-3, "warmup_steps": 200}
"""The rates of a training that begins with random weights."""


def shared_settings(steps: int) -> MetaConfig:
    """The start of every method: both high-resource directions, one loss, random weights."""
    own = {"method": "multilingual", "vocab_size": 4000, "max_steps": steps, "eval_every": 250}
    return MetaConfig.model_validate(SHARED | BEFORE | FRESH | own)


def method_settings(method: str, start: Path, steps: int, inner_rate: float) -> MetaConfig:
    """What a method does with the shared start."""
    rates = {
        "learning_rate": 5e-4,
        "warmup_steps": 20,
        "lr_schedule": "linear",
        "inner_learning_rate": inner_rate,
    }
    own = {"method": method, "init_from": str(start), "max_steps": steps, "eval_every": max(1, steps // 3)}
    return MetaConfig.model_validate(SHARED | BEFORE | rates | own)


def adaptation_settings(size: int, start: Path, steps: int) -> TrainingConfig:
    """The training on the low-resource direction."""
    rates = {"learning_rate": 1e-3, "warmup_steps": 10, "lr_schedule": "linear"}
    own = {"limit": size, "init_from": str(start), "max_steps": steps, "eval_every": max(1, steps // 3)}
    return TrainingConfig.model_validate(SHARED | rates | own | {"eval_sentences": 200})


def scratch_settings(size: int, pieces: Path, steps: int) -> TrainingConfig:
    """The low-resource direction from random weights: all of the updates, whatever dev BLEU does."""
    own = {"limit": size, "tokenizer": str(pieces), "max_steps": steps, "eval_every": 150, "patience": 1000}
    return TrainingConfig.model_validate(SHARED | FRESH | own | {"eval_sentences": 200})


def describe(row: Mapping[str, float]) -> None:
    """One row of the metrics on standard output."""
    print(json.dumps(row), flush=True)


def train_or_reuse(config: TrainingConfig, folder: Path, learner: MakeLearner = TranslationLearner) -> Path:
    """The model of a training, which is done, continued, or done already."""
    if not (folder / "model").is_dir():
        print(folder.name, flush=True)
        train(config, folder, describe, learner)
    return folder / "model"


def train_all(work: Path, options: argparse.Namespace) -> dict[tuple[str, int], Path]:
    """Every training, or what is missing of it: (method, pairs) -> the finished run's folder."""
    runs: dict[tuple[str, int], Path] = {}
    start = train_or_reuse(shared_settings(options.shared), work / "shared", MetaLearner)
    for method in options.methods:
        config = method_settings(method, start, options.before, options.inner_rate)
        model = train_or_reuse(config, work / method, MetaLearner)
        for size in SIZES:
            runs[method, size] = train_or_reuse(
                adaptation_settings(size, model, options.after), work / f"{method}-{size}"
            ).parent
    total = options.shared + options.before + options.after
    for size in SIZES if options.scratch else ():
        runs[SCRATCH, size] = train_or_reuse(
            scratch_settings(size, start, total), work / f"scratch-{size}"
        ).parent
    return runs


def translate(folder: Path, utterances: Sequence[Utterance]) -> dict[str, str]:
    """Utterance id -> translation, beam 5."""
    config = TranslationConfig(model=str(folder / "model"), n_best=1, batch_size=32, device="cpu")
    outcomes = build(config).translate(utterances)
    return {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}


def read_history(folder: Path) -> list[dict[str, float]]:
    """The metrics of a run."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]


def plot(runs: Mapping[tuple[str, int], Path], options: argparse.Namespace, path: Path) -> None:
    """Dev loss on English-German while adapting, one panel for each size."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(SIZES), sharey=True)
    before = options.shared + options.before
    for panel, size in zip(panels, SIZES, strict=True):
        for (method, of), folder in runs.items():
            if of == size:
                rows, shift = read_history(folder), 0 if method == SCRATCH else before
                xs, ys = [row["step"] + shift for row in rows], [row["dev_loss"] for row in rows]
                panel.plot(xs, ys, label=method, marker=".")
        panel.set_title(f"{size:,} English-German pairs")
        panel.set_xlabel("updates, those before included")
    panels[0].set_ylabel("dev loss, nats per piece")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(path, dpi=110)


PROTOCOL = """\
`{command}`. Marian architecture, 2+2 layers, width 256, 4,000 joint pieces with a tag for each target
language, 1,500 pieces a batch. All methods share one start: {shared:,} updates of multilingual training on
English-French and English-Czech (26,000 pairs each, captions 3,001 to 29,000). From it each goes on for
{before} updates on the same batches (halves of a batch are support and query; one inner step, rate {rate:g}),
then {after} plain updates on English-German (captions 1 to 3,000, which the others never see). From scratch:
English-German alone, all {total:,} updates, evaluated every 150.

The shared start is ours: meta-learning from random weights, at the updates that fit a small machine, had
compared models of BLEU 2 to 4. What is compared is therefore the last {before} of {total:,} updates, and
differences can only be small. Nothing was tuned: rates and the inner rate were set once.

The checkpoint is chosen on the validation set. BLEU on test_2016_flickr, beam 5, {counts} sentences, 95%
bootstrap intervals; one training each, so other seeds are not in them. `{signature}`
"""


def format_page(
    scores: Mapping[tuple[str, int], Score],
    tests: Mapping[int, Sequence[Difference]],
    options: argparse.Namespace,
) -> str:
    """The report."""
    score_of_any = next(iter(scores.values()))
    command = (
        f"python -m benchmarks.quality meta --shared {options.shared} --before {options.before} "
        f"--after {options.after}"
    )
    facts = {
        "command": command,
        "rate": options.inner_rate,
        "counts": f"{score_of_any.n:,} of {score_of_any.n_total:,}",
    }
    budget = {name: getattr(options, name) for name in ("shared", "before", "after")}
    protocol = PROTOCOL.format(
        **facts, **budget, total=sum(budget.values()), signature=score_of_any.signature
    )
    lines = ["# Meta-learning: English-German from 100, 600 and 3,000 pairs", "", protocol]
    lines += ["| then | minutes of it (wall) | " + " | ".join(f"{size:,} pairs" for size in SIZES) + " |"]
    lines += ["|---|---|" + "---|" * len(SIZES)]
    for method in dict.fromkeys(method for method, _ in scores):
        cells = []
        for size in SIZES:
            score = scores.get((method, size))
            cells.append(
                f"{score.value:.1f}{format_interval(score.interval, ' ({:.1f} to {:.1f})')}"
                if score
                else "not run"
            )
        cost = "" if method == SCRATCH else f"{read_history(options.work / method)[-1]['minutes']:.1f}"
        lines.append(f"| {method} | {cost} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Against more multilingual training, paired bootstrap (two-sided, Holm over the systems):",
        "",
    ]
    lines += ["| pairs | method | difference | 95% interval | p (Holm) |", "|---|---|---|---|---|"]
    lines += [
        f"| {size:,} | {d.system} | {d.difference:+.2f} "
        f"| {format_interval(d.interval, '{:+.2f} to {:+.2f}')} | {format_p_value(d.p_holm)} |"
        for size, differences in tests.items()
        for d in differences
    ]
    return "\n".join([*lines, "", "![Learning curves](meta-curves.png)", ""])


def main(arguments: Sequence[str]) -> None:
    """Train what is missing, score everything, write the report and the curves."""
    parser = argparse.ArgumentParser(prog="benchmarks.quality meta", description=__doc__)
    store = Path(os.environ.get("ANTIPHON_STORE") or "antiphon-store")
    parser.add_argument("--work", type=Path, default=store / "benchmarks" / "meta")
    parser.add_argument("--shared", type=int, default=800, help="updates of the shared start")
    parser.add_argument("--before", type=int, default=100, help="updates of each method from there")
    parser.add_argument("--after", type=int, default=150, help="updates on the low-resource direction")
    parser.add_argument("--inner-rate", type=float, default=0.1, help="of the steps on the support")
    parser.add_argument("--no-scratch", dest="scratch", action="store_false", help="leave out: from scratch")
    parser.add_argument("--train-only", action="store_true", help="write no report")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    runs = train_all(options.work, options)
    if options.train_only:
        return
    test = data.load("multi30k:test_2016_flickr", source_language="en", target_language="de").utterances
    references = {u.id: u.references for u in test}
    texts = {run: translate(folder, test) for run, folder in runs.items()}
    scores = {
        run: translation_scores(references, outputs, language="de", n_total=len(test))["bleu"]
        for run, outputs in texts.items()
    }
    tests = {}
    for size in SIZES:
        outputs = {method: texts[method, of] for method, of in texts if of == size}
        tests[size] = translation_tests(references, outputs, "multilingual", language="de", names=("bleu",))
    options.out.write_text(format_page(scores, tests, options), encoding="utf-8")
    plot(runs, options, options.out.with_name("meta-curves.png"))
    print(options.out.read_text(encoding="utf-8"))
