"""Experiments behind docs/evidence.md: ``python -m benchmarks.claims run NAME...`` or ``list``.

A run trains and decodes what its work folder lacks (interrupted, it goes on), keeps the outputs under
docs/results/outputs and writes the pages again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims.claim import read_register
from benchmarks.claims.experiment import EXPERIMENTS, experiment_named
from benchmarks.claims.outputs import Outputs, write_outputs
from benchmarks.claims.page import write_pages
from benchmarks.claims.workspace import Workspace
from benchmarks.common.manifest import OUTPUTS, describe_run
from benchmarks.common.paths import ROOT
from components.compute.device import use_threads


def parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    commands = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    verbs = commands.add_subparsers(dest="verb", required=True)
    run_verb = verbs.add_parser("run", help="measure, keep the outputs, write the pages")
    run_verb.add_argument(
        "names", nargs="+", choices=EXPERIMENTS, metavar="NAME", help=", ".join(EXPERIMENTS)
    )
    run_verb.add_argument(
        "--work", type=Path, default=Path("claims-work"), help="folder of models and decodings"
    )
    verbs.add_parser("list", help="the claims and their experiments")
    return commands


def run(
    name: str, workspace: Workspace, command: str, outputs_folder: Path = OUTPUTS, notes: Sequence[str] = ()
) -> None:
    """Run one experiment on one thread and keep what it gives; its page ends with ``notes``."""
    outputs = Outputs(describe_run(command, notes=tuple(notes)))
    with use_threads(1):
        experiment_named(name).run(workspace, outputs)
    outputs.manifest.models = workspace.models
    write_outputs(name, outputs, outputs_folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = parser().parse_args(arguments)
    if options.verb == "list":
        for claim in read_register():
            print(f"{claim.experiment:20} {claim.name:24} {claim.claim}")
        return
    for name in options.names:
        workspace = Workspace(options.work, lambda text: print(text, flush=True))
        run(name, workspace, f"python -m benchmarks.claims run {name}")
    write_pages(ROOT / "docs")


if __name__ == "__main__":
    main()
