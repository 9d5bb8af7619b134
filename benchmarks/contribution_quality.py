"""What the parts of three systems contribute: recognisers that vote, rounds of refinement, experts.

``python -m benchmarks.quality contribution --data MANIFEST`` runs a configuration for each (what the
store has is reused), then ``antiphon contribution``, and writes docs/results/contribution.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tables import markdown
from components.metrics.contribution import Contribution
from reports.contributing import rows, sentence
from tasks.contributing import read_contributions
from tasks.store import Store

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "contribution.md"
SYSTEMS = {
    "members": ("ensemble", "Recognisers that vote (ROVER), spoken captions"),
    "rounds": ("refine", "Rounds of self-refine without a gate, written captions"),
    "experts": ("experts", "Experts of a small translation model after 500 updates, by layer"),
}
"""Configuration -> its flow, and the heading of its table."""


def found(name: str, flow: str, data: str, store: str | None) -> list[Contribution]:
    """The contributions of one system, run where it is not there yet."""
    run = f"contribution-{name}"
    where = ["--store", store] if store else []
    chosen = ["--data", data] if name == "members" else []
    file = f"benchmarks/configurations/{name}.yaml"
    command = [sys.executable, "-m", "flows.cli"]
    subprocess.run([*command, "run", flow, "-c", file, "--name", run, *chosen, *where], cwd=ROOT, check=True)
    subprocess.run([*command, "contribution", run, *where], cwd=ROOT, check=True)
    stages = Store(store).load_run(run).stages
    return read_contributions(next(ref for ref in stages if ref.stage == "contribution"))


def section(name: str, of: Sequence[Contribution]) -> list[str]:
    """The tables of one system."""
    lines = [f"## {SYSTEMS[name][1]}", "", f"`benchmarks/configurations/{name}.yaml`", ""]
    for one in of:
        cells = list(rows(one))
        columns = list(dict.fromkeys(column for row in cells for column in row))
        table = markdown(columns, [[row.get(column, "") for column in columns] for row in cells])
        lines += [f"{sentence(one)}.", "", table, ""]
    return [*lines, f"Protocol: `{of[0].signature}`", ""]


def main(arguments: Sequence[str]) -> None:
    """Run what is missing, and write the page."""
    parser = argparse.ArgumentParser(prog="benchmarks.quality contribution", description=__doc__)
    parser.add_argument("--data", required=True, help="spoken captions with German references")
    parser.add_argument("--store")
    options = parser.parse_args(arguments)
    lines = ["# What each part contributes", ""]
    lines += [
        "`python -m benchmarks.quality contribution --data spoken/manifest.jsonl`. Intervals are 95%.",
        "",
    ]
    for name, (flow, _) in SYSTEMS.items():
        lines += section(name, found(name, flow, options.data, options.store))
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
