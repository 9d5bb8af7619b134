"""The merge methods that are compared on fine-tuned models, each with the parameter that is chosen on dev."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from components.merging.merge import MergeOptions, merge
from components.merging.recipe.reader import parse_recipe

SCALES = (0.3, 0.6, 1.0, 1.5)


class Method(NamedTuple):
    """A method: its name in recipes, and the parameter that is chosen on development data."""

    merge_method: str
    parameter: str = ""
    values: tuple[float, ...] = ()
    base: bool = True
    fixed: str = ""


METHODS: dict[str, Method] = {
    "linear": Method("linear", base=False, fixed="weight: 1"),
    "karcher": Method("karcher", base=False),
    "model_stock": Method("model_stock"),
    "fisher": Method("fisher", base=False),
    "regmean": Method("regmean", base=False),
    "regmean_plus_plus": Method("regmean_plus_plus", base=False),
    "task_arithmetic": Method("task_arithmetic", "lambda", SCALES, fixed="weight: 1"),
    "ties": Method("ties", "lambda", SCALES, fixed="weight: 1, density: 0.3"),
    "dare_ties": Method("dare_ties", "lambda", SCALES, fixed="weight: 1, density: 0.5"),
    "sce": Method("sce", "select_topk", (0.2, 0.5, 1.0)),
    "ram": Method("ram", "epsilon", (1e-5, 1e-4, 1e-3)),
    "tsv_m": Method("tsv_m", "lambda", SCALES),
    "iso_c": Method("iso_c", "lambda", SCALES),
    "iso_cts": Method("iso_cts", "lambda", SCALES),
}
"""Row of the page -> its recipe. Fisher and RegMean read the pairs that the models learned from."""


def make_merged(
    out: Path,
    method: Method,
    value: float,
    models: Sequence[str],
    start: str,
    options: MergeOptions | None = None,
) -> str:
    """The folder of what a method makes of models fine-tuned from ``start``; made once."""
    if not out.is_dir():
        tuned = f"{method.parameter}: {value}" if method.parameter else ""
        parameters = ", ".join(filter(None, (method.fixed, tuned)))
        lines = "\n".join(f"  - model: {model}" for model in models)
        base = f"base_model: {start}\n" if method.base else ""
        text = f"merge_method: {method.merge_method}\n{base}parameters: {{{parameters}}}\nmodels:\n{lines}\n"
        merge(parse_recipe(text), out, options or MergeOptions())
    return str(out)
