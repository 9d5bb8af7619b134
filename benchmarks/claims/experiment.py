"""The experiments, and what each module of ``experiments/`` has."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from benchmarks.claims.claim import read_register
from benchmarks.claims.outputs import Outputs, outputs_file, read_outputs
from benchmarks.claims.workspace import Workspace
from components.claims.verdict import Measured

_MODULES = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "experiments")])}
EXPERIMENTS = tuple(
    dict.fromkeys(
        [*(claim.experiment for claim in read_register() if claim.experiment in _MODULES), *sorted(_MODULES)]
    )
)
"""Modules of ``experiments/``: in the order of the claims, then those that measure further parts of some."""


class Experiment(Protocol):
    """A module of ``experiments/``."""

    TITLE: str
    QUESTION: str
    """What was asked and how, as the first paragraph of the page."""

    def run(self, work: Workspace, outputs: Outputs) -> None:
        """Train and decode what is not there yet, and put everything that is to be kept into ``outputs``."""

    def results(self, outputs: Outputs) -> Mapping[str, Measured]:
        """The measured comparisons by ``claim.comparison``."""

    def page(self, outputs: Outputs) -> list[str]:
        """The page after its head: its blocks in Markdown."""


def experiment_named(name: str) -> Experiment:
    """The module of an experiment."""
    return cast("Experiment", importlib.import_module(f"benchmarks.claims.experiments.{name}"))


@cache
def all_results(folder: Path) -> Mapping[str, Mapping[str, Measured]]:
    """What the kept outputs say: experiment that was run -> ``claim.comparison`` -> result.

    An experiment may have measured parts of another one's claims.
    """
    return {
        name: experiment_named(name).results(outputs)
        for name in EXPERIMENTS
        if outputs_file(name, folder).exists() and (outputs := read_outputs(name, folder))
    }


def results_by_comparison(folder: Path) -> dict[str, Measured]:
    """The results of all experiments together."""
    return {key: measured for own in all_results(folder).values() for key, measured in own.items()}
