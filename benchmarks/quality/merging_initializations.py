"""Git Re-Basin on pairs of models of other initializations, for the page of merging's frontier.

The cross-entropy of each model of a pair, of the mean of their weights, and of that mean after the second
model's units were put into the first one's order. Merged models are kept in WORK.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.common.sections import Result, option
from components.merging.merge import merge
from components.merging.recipe.reader import parse_recipe
from components.merging.statistics.data_sets import DataSets
from components.merging.statistics.examples import encode_examples, load_model
from components.models import resolve

PAGE = "merging-frontier"
DATA, CAPTIONS = "multi30k:val", 500
OPTIONS = {
    "work": option(Path, "keeps merged models", required=True),
    "pair": option(
        str,
        "two models that were trained alike from different random weights; several times",
        nargs=2,
        metavar="MODEL",
        action="append",
        required=True,
    ),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Every pair: of each model the sums of each caption."""
    for number, (first, second) in enumerate(options.pair, start=1):
        systems = {"first": first, "second": second, **merge_pair(options.work / str(number), first, second)}
        losses = {name: sum_losses(model) for name, model in systems.items()}
        yield Result(f"initializations {number}", losses, [first, second])


def merge_pair(work: Path, first: str, second: str) -> dict[str, str]:
    """The mean of two models, and that of the first and the second in its order; made once."""
    both = f"models: [{{model: {first}}}, {{model: {second}}}]\n"
    plain = f"merge_method: linear\nparameters: {{weight: 1}}\n{both}"
    matched = (
        f"name: matched\nmerge_method: git_rebasin\nbase_model: {first}\nmodels: [{{model: {second}}}]\n---\n"
    )
    recipes = {"mean": plain, "mean of matched": matched + plain.replace(second, "matched")}
    for name, text in recipes.items():
        if not (work / name).is_dir():
            merge(parse_recipe(text), work / name)
    return {name: str(work / name) for name in recipes}


def sum_losses(reference: str) -> list[list[float]]:
    """Of each caption the negative log-likelihood of its reference in nats, and its tokens."""
    checkpoint = resolve(reference)
    model, tokenizer = load_model(checkpoint)
    sums = []
    with torch.no_grad():
        data = DataSets({"*": DATA}, CAPTIONS, "en", "de")
        for example in encode_examples(checkpoint, model, tokenizer, data, reference):
            count = int((example["labels"] != -100).sum())
            sums.append([round(float(model(**example).loss) * count, 4), float(count)])
    return sums
