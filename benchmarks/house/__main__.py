"""Counts the house: ``python -m benchmarks.house [--json] [--before FILE] [--rerun ROUNDS]``.

``--json`` prints the numbers as one JSON object, which ``--before`` puts beside those of another day. Two
numbers are not counted here: the walk through the code, which a drawing of its structure gives, and the
seconds of ``make test``, which CI prints.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.common.paths import ROOT
from benchmarks.house import counts
from benchmarks.house.import_graph import modules

ROWS = {
    "reached_lines": ("reached by antiphon run cascade, lines", 45_000),
    "reached_files": ("reached by antiphon run cascade, files", None),
    "reached_with_all_commands": ("reached with all commands, lines", None),
    "source_lines": ("source without benchmarks and tests, lines", 104_000),
    "source_files": ("source without benchmarks and tests, files", None),
    "kind_attributes": ("Kind: attributes", 12),
    "kind_methods": ("Kind: methods", 16),
    "kind_overrides": ("Kind: overrides in all kinds", 150),
    "fullest_folder": ("files in one folder", 15),
    "full_folders": ("folders with more than 15 files", None),
    "benchmark_lines": ("benchmarks, lines", 14_000),
    "test_lines": ("tests, lines", 57_000),
    "words": ("README and docs without results, decisions and log, words", 35_000),
    "rerun_ratio": ("unchanged rerun against imports, CPU", 2.0),
    "rerun_seconds": ("  the rerun, seconds of CPU", None),
    "import_seconds": ("  importing torch, transformers and Prefect, seconds of CPU", None),
}
"""Number -> what it counts, and at most how much there should be of it, where that was said."""
FULL = 15
"""Files that a folder may have without an inner order."""


def count_house() -> dict[str, float]:
    """All numbers that reading the files gives."""
    reached_lines, reached_files = counts.count_reached()
    attributes, methods, overrides = counts.count_kind()
    folders = counts.count_files()
    return {
        "reached_lines": reached_lines,
        "reached_files": reached_files,
        "reached_with_all_commands": counts.count_reached(all_commands=True)[0],
        "source_lines": counts.count_lines(modules().values()),
        "source_files": len(modules()),
        "kind_attributes": attributes,
        "kind_methods": methods,
        "kind_overrides": overrides,
        "fullest_folder": folders[0][1],
        "full_folders": sum(number > FULL for _, number in folders),
        "benchmark_lines": counts.count_lines((ROOT / "benchmarks").rglob("*.py")),
        "test_lines": counts.count_lines((ROOT / "tests").rglob("*.py")),
        "words": counts.count_words(),
    }


def format_table(numbers: Mapping[str, float], before: Mapping[str, float] | None = None) -> str:
    """The numbers as a table in Markdown, those of before beside them."""
    columns = [before, numbers] if before is not None else [numbers]
    heads = ["before", "now"] if before is not None else ["now"]
    lines = [f"| | {' | '.join(heads)} | at most |", f"|---|{'---|' * len(heads)}---|"]
    for name, (label, most) in ROWS.items():
        if any(name in column for column in columns):
            cells = [_format(column.get(name)) for column in columns]
            lines.append(f"| {label} | {' | '.join(cells)} | {_format(most)} |")
    return "\n".join(lines)


def _format(number: float | None) -> str:
    return "" if number is None else f"{number:,}" if isinstance(number, int) else f"{number:.2f}"


def parser() -> argparse.ArgumentParser:
    """The parser of the command."""
    command = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__)
    command.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    command.add_argument("--before", type=Path, help="what --json printed before")
    command.add_argument(
        "--rerun", type=int, metavar="ROUNDS", help="also measure the rerun of the sample cascade, so often"
    )
    command.add_argument("--folders", action="store_true", help="also list the folders that are too full")
    return command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = parser().parse_args(arguments)
    numbers = count_house()
    if options.rerun:
        from benchmarks.house.rerun import measure_rerun

        names = ("rerun_seconds", "import_seconds", "rerun_ratio")
        numbers |= dict(zip(names, measure_rerun(options.rerun), strict=True))
    if options.json:
        print(json.dumps(numbers))
        return
    before = json.loads(options.before.read_text(encoding="utf-8")) if options.before else None
    print(format_table(numbers, before))
    for folder, number in counts.count_files() if options.folders else ():
        if number > FULL:
            print(f"{number:4} {folder}")


if __name__ == "__main__":
    main()
