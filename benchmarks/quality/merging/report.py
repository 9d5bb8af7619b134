"""What averages, soups and task vectors are worth on Multi30k.

Every choice (greedy soup, scales) is made on development data; test sets are decoded once. Decodings and
merged models are kept in WORK, so an interrupted run goes on and a repeated one only writes the report again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.common.paths import RESULTS
from benchmarks.quality.merging.evaluator import DEV, FEW, SHIFT, TEST, Evaluator, rows
from benchmarks.quality.merging.fine_tuning import COMMON, SOUP, START, TASKS, multi30k, pair, tatoeba
from components.merging.io.model_folder import ModelFolder
from components.merging.recipe.reader import parse_recipe
from components.merging.recipe.recipe import Recipe
from components.merging.soups import average_of_last, exponential_average, greedy_soup, uniform_soup
from components.merging.task_vectors import TaskVector, combine_vectors, search_scale
from components.merging.weight_similarity import compare_weights

OUT = RESULTS / "merging.md"


def checkpoint_models(bench: Evaluator, run: Path) -> list[str]:
    """A run's checkpoints as model folders, oldest first."""
    from safetensors.torch import load_file
    from transformers import MarianMTModel

    folders = []
    for path in sorted((run / "checkpoints").glob("step-*")):
        out = bench.work / "checkpoints" / f"{run.name}-{path.name}"
        if not out.exists():
            scratch = Path(tempfile.mkdtemp(dir=bench.work))
            shutil.copytree(run / "model", scratch, dirs_exist_ok=True)
            model = MarianMTModel.from_pretrained(run / "model")
            parameters = dict(model.named_parameters())
            with torch.no_grad():
                for name, tensor in load_file(path / "model.safetensors").items():
                    parameters[name].copy_(tensor)
            model.save_pretrained(scratch)
            out.parent.mkdir(exist_ok=True)
            scratch.rename(out)
        folders.append(str(out))
    return folders


def checkpoints(bench: Evaluator, options: argparse.Namespace) -> Iterator[str]:
    """Does averaging checkpoints help?"""
    models = checkpoint_models(bench, options.run)
    systems = {
        "last checkpoint": [models[-1]],
        "mean of the last 3": [bench.merge_cached("last-3", average_of_last(models, 3))],
        f"mean of the last {len(models)}": [
            bench.merge_cached("last-all", average_of_last(models, len(models)))
        ],
        "exponential, decay 0.7": [bench.merge_cached("exponential", exponential_average(models, 0.7))],
        f"ensemble of the last {len(models)}": models,
    }
    for data in (TEST, SHIFT):
        yield f"On {data}:\n"
        yield from rows(bench.compare(systems, "last checkpoint", data), bench)


def seeds(bench: Evaluator, options: argparse.Namespace) -> Iterator[str]:
    """Two seeds averaged (must fail) against their ensemble"""
    first, second = (str(path / "model") for path in (options.run, options.other))
    with ModelFolder(Path(first), "seed 1") as a, ModelFolder(Path(second), "seed 2") as b:
        yield f"The doctor: {compare_weights(b, a)}.\n"
    systems = {
        "seed 1": [first],
        "seed 2": [second],
        "mean of the two": [bench.merge_cached("two-seeds", uniform_soup([first, second]))],
        "ensemble of the two": [first, second],
    }
    yield from rows(bench.compare(systems, "seed 1", TEST), bench)


def soups(bench: Evaluator, options: argparse.Namespace) -> Iterator[str]:
    """Uniform and greedy soups of four fine-tunings against the best single one"""
    models = {name: str(options.work / name / "model") for name in SOUP}
    names = {path: name for name, path in models.items()}

    def score(model: str) -> float:
        return bench.bleu(names.get(model, f"trial-{Path(model).name}"), model, DEV)

    with tempfile.TemporaryDirectory() as folder:
        soup = greedy_soup(list(models.values()), score, Path(folder))
    steps = [f"{names[s.model]} {s.score:.2f}{'' if s.accepted else ' (left out)'}" for s in soup.trials]
    yield f"Greedy, by the first {FEW} of {DEV}: {', '.join(steps)}.\n"
    best = names[soup.trials[0].model]
    systems = {
        best: [models[best]],
        "start": [START],
        "uniform soup": [bench.merge_cached("soup-uniform", uniform_soup(list(models.values())))],
        "greedy soup": [bench.merge_cached("soup-greedy", uniform_soup(list(soup.ingredients)))],
        "ensemble of the four": list(models.values()),
    }
    for data in (TEST, SHIFT):
        yield f"On {data} ({best} is the best single one on development data):\n"
        yield from rows(bench.compare(systems, best, data), bench)


def pairs(bench: Evaluator, options: argparse.Namespace) -> Iterator[str]:
    """Averaging against ensembling, over many pairs"""
    from matplotlib.figure import Figure

    models = {name: str(options.work / name / "model") for name in (*SOUP, "task-lower")}
    models |= {f"checkpoint {n}": m for n, m in enumerate(checkpoint_models(bench, options.run), start=1)}
    models["seed 2"] = str(options.other / "model")
    sampled = list(itertools.combinations(models, 2))
    sampled = sampled[:: max(1, len(sampled) // 15)]
    points: list[tuple[float, float, str]] = []
    for a, b in sampled:
        both = [models[a], models[b]]
        name = f"{a}+{b}".replace(" ", "-")
        mean = bench.merge_cached(f"pair-{name}", uniform_soup(both))
        differences = bench.compare(
            {f"{name}-mean": [mean], f"{name}-ensemble": both}, f"{name}-ensemble", DEV, 100
        )
        points.append((differences[0].baseline_value, differences[0].value, f"{a} + {b}"))
    figure = Figure(figsize=(5, 5))
    axes = figure.subplots()
    axes.scatter([p[0] for p in points], [p[1] for p in points])
    top = max(max(p[:2]) for p in points) + 1
    axes.plot([0, top], [0, top], linewidth=0.5, color="grey")
    axes.set(xlabel="ensemble of the two, BLEU", ylabel="mean of the two, BLEU", title="100 sentences of val")
    figure.savefig(OUT.with_name("merging-pairs.png"), dpi=100)
    yield "![averaging against ensembling](merging-pairs.png)\n"
    yield "| pair | ensemble | mean |\n|---|---|---|"
    yield from (f"| {name} | {x:.2f} | {y:.2f} |" for x, y, name in sorted(points, key=lambda p: p[2]))
    yield "\nBLEU on the first 100 sentences of val, too few to rank pairs that are near each other.\n"


def tasks_of(work: Path) -> dict[str, tuple[str, str, tuple[str, str]]]:
    """Task -> (development data, test data, languages)."""
    lines, lower = tatoeba(), [(a, b.lower()) for a, b in multi30k("test_2016_flickr")]
    lower_dev = [(a, b.lower()) for a, b in multi30k("val")]
    folder = work / "data"
    return {
        "task-tatoeba": (
            pair(folder, "t-dev", lines[600:700]),
            pair(folder, "t-test", lines[700:]),
            ("en", "de"),
        ),
        "task-lower": (pair(folder, "l-dev", lower_dev), pair(folder, "l-test", lower), ("en", "de")),
        "task-reverse": (DEV, TEST, ("de", "en")),
    }


def tasks(bench: Evaluator, options: argparse.Namespace) -> Iterator[str]:
    """Task vectors added, one negated; TIES against plain addition with three tasks that conflict"""
    vectors = {name: TaskVector.of(START, str(options.work / name / "model")) for name in TASKS}
    data_by_task = tasks_of(options.work)
    two = [vectors[name] for name in ("task-tatoeba", "task-reverse")]

    def worth(name: str, among: Sequence[str], make: Callable[[float], Recipe]) -> Callable[[float], float]:
        def score(scale: float) -> float:
            model = bench.merge_cached(f"{name}-{scale}", make(scale))
            return sum(
                bench.bleu(f"{name}-{scale}-{t}", model, data_by_task[t][0], data_by_task[t][2])
                for t in among
            )

        return score

    added = search_scale(
        (0.4, 0.7, 1.0),
        worth("two", ("task-tatoeba", "task-reverse"), lambda s: combine_vectors(two, s).apply_to(START)),
    )
    three = search_scale(
        (0.3, 0.6, 1.0),
        worth("three", list(TASKS), lambda s: combine_vectors(list(vectors.values()), s).apply_to(START)),
    )
    ties = search_scale((0.6, 1.0, 1.5), worth("ties", list(TASKS), lambda s: ties_recipe(options.work, s)))
    scales = f"two added {added.scale}, three added {three.scale}, TIES {ties.scale}"
    yield f"Scales chosen on development data: {scales}.\n"
    systems = {
        "start": [START],
        "two added": [str(bench.work / "merged" / f"two-{added.scale}")],
        "three added": [str(bench.work / "merged" / f"three-{three.scale}")],
        "TIES of three, density 0.2": [str(bench.work / "merged" / f"ties-{ties.scale}")],
        "Tatoeba negated": [
            bench.merge_cached("negated", vectors["task-tatoeba"].times(-1.0).apply_to(START))
        ],
    }
    for task, (_, test, languages) in data_by_task.items():
        yield f"On the test data of {task} ({languages[0]}-{languages[1]}):\n"
        mine = {**systems, task: [str(options.work / task / "model")]}
        named = {f"{name} [{task}]": models for name, models in mine.items()}
        yield from rows(bench.compare(named, f"start [{task}]", test, 300, languages), bench)
    yield f"The control, {TEST}:\n"
    yield from rows(
        bench.compare({f"{n} [control]": m for n, m in systems.items()}, "start [control]", TEST, 300), bench
    )


def ties_recipe(work: Path, scale: float) -> Recipe:
    lines = [
        "merge_method: ties",
        f"base_model: '{START}'",
        f"parameters: {{weight: 1, density: 0.2, lambda: {scale}}}",
    ]
    lines += ["models:", *(f"  - {{model: {work / name / 'model'}}}" for name in TASKS)]
    return parse_recipe("\n".join(lines))


SECTIONS: dict[str, Callable[[Evaluator, argparse.Namespace], Iterator[str]]] = {
    "checkpoints": checkpoints,
    "seeds": seeds,
    "soups": soups,
    "tasks": tasks,
    "pairs": pairs,
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.quality merging")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "antiphon-merging")
    parser.add_argument(
        "--run", type=Path, required=True, help="a training's folder with checkpoints/ and model/"
    )
    parser.add_argument("--other", type=Path, required=True, help="a training of another seed, with model/")
    parser.add_argument("--sections", nargs="*", default=list(SECTIONS), choices=list(SECTIONS))
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--limit", type=int, default=None, help="only the first so many utterances of a set")
    options = parser.parse_args(arguments)
    bench = Evaluator(options.work / f"beam-{options.beam}", options.beam, options.limit)
    bench.work.mkdir(parents=True, exist_ok=True)
    for name in options.sections:
        lines = list(SECTIONS[name](bench, options))
        (bench.work / f"{name}.md").write_text("\n".join(lines), encoding="utf-8")
        write_report(bench, options)


def write_report(bench: Evaluator, options: argparse.Namespace) -> None:
    """The sections that are done, in order; those that are not are named as such."""
    cut = f"only the first {options.limit} utterances of each set" if options.limit else "whole sets"
    parts = [f"# Merging: averages, soups, task vectors\n\n{(__doc__ or '').split(chr(10), 2)[2].strip()}\n"]
    parts.append(
        f"Models of 6 M parameters (as packaged:multi30k-en-de), beam {options.beam}, {cut}; fine-tunings of "
        f"{COMMON['start']}: {json.dumps(SOUP)}; tasks: {json.dumps(TASKS)}. Differences: paired bootstrap.\n"
    )
    for name, section in SECTIONS.items():
        page = bench.work / f"{name}.md"
        text = page.read_text(encoding="utf-8") if page.exists() else "Not run.\n"
        parts.append(f"## {(section.__doc__ or '').strip()}\n\n{text}")
    beam, limit = f" --beam {options.beam}", f" --limit {options.limit}" if options.limit else ""
    parts.append(
        "Commands: `python -m benchmarks.quality.merging.fine_tuning WORK` trains the fine-tunings, "
        f"`python -m benchmarks.quality merging --work WORK --run RUN --other RUN{beam}{limit}` the rest.\n"
    )
    OUT.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
