"""Measure one card: ``python -m benchmarks.gpu --out DIR``; no network, no Prefect, under 8 minutes.

Each section is a process of its own with its own time limit, and appends its rows to DIR/gpu.jsonl as they
come, so a crash or a limit loses one section's rest. Ratios are taken between rows of one run. Without a
card everything runs at toy size (``--toy``), which tests the benchmark and measures nothing.

``--page FILE`` measures nothing: it stores the rows of FILE in docs/results/outputs and writes
docs/results/gpu.md. On a machine without a network: docs/use/gpu.md says what has to be carried there.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SECTIONS = {
    "card": 25,
    "law": 100,
    "whisper": 120,
    "ensembles": 60,
    "experts": 60,
    "sparsity": 25,
    "training": 35,
    "merging": 25,
    "memory": 20,
    "budgets": 120,
}
"""Section -> its share of the time, in seconds of a run of :data:`SECONDS`."""
SECONDS = 470
ON_A_CARD = tuple(name for name in SECTIONS if name != "budgets")
"""Sections of a run unless others are named: budgets are counted without a card."""


def parser() -> argparse.ArgumentParser:
    """The options of this command."""
    command = argparse.ArgumentParser("python -m benchmarks.gpu", description=__doc__, allow_abbrev=False)
    command.add_argument("--out", type=Path, default=Path("gpu-results"), help="folder of gpu.jsonl")
    command.add_argument("--seconds", type=float, default=SECONDS, help="of all sections together, at most")
    command.add_argument("--sections", nargs="+", choices=SECTIONS, default=ON_A_CARD)
    command.add_argument("--device", help="default: the first card, else the CPU at toy size")
    command.add_argument("--toy", action="store_true", help="tiny sizes, to test the benchmark")
    command.add_argument("--pack", type=Path, help="tiny.en from `python -m benchmarks.gpu.pack`")
    command.add_argument("--page", type=Path, metavar="FILE", help="store these rows and write the page")
    command.add_argument("--results", type=Path, help="with --page: folder of the page and of outputs/")
    command.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # a section's own process
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or write the page; returns the exit code."""
    options = parser().parse_args(arguments)
    if options.page:
        from benchmarks.gpu.keep import keep_rows

        print(keep_rows(options.page, options.results))
        return 0
    from benchmarks.gpu.imports import find_missing

    if missing := find_missing():
        print("expected these packages, found none: " + ", ".join(missing), file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    if options.inside:
        for name in options.sections:
            measure_section(name, options)
        return 0
    failed = run_processes(options)
    print_table(options.out)
    return 1 if failed else 0


def run_processes(options: argparse.Namespace) -> list[str]:
    """Run every section in its own process; returns those that failed or were ended."""
    began, failed = time.monotonic(), []
    scale = options.seconds / SECONDS
    for name in options.sections:
        left = options.seconds - (time.monotonic() - began)
        limit = min(
            left, scale * SECONDS if len(options.sections) == 1 else 1.5 * scale * SECTIONS[name] + 15
        )
        command = [sys.executable, "-m", "benchmarks.gpu", "--inside", "--sections", name]
        command += ["--out", str(options.out), *(["--toy"] if options.toy else [])]
        command += ["--device", options.device] if options.device else []
        command += ["--pack", str(options.pack)] if options.pack else []
        if limit <= 0:
            failed.append(f"{name}: no time was left")
            continue
        try:
            code = subprocess.run(command, timeout=limit, check=False).returncode
        except subprocess.TimeoutExpired:
            failed.append(f"{name}: ended after {limit:.0f} s; its rows so far are kept")
            continue
        if code:
            failed.append(f"{name}: exit code {code}")
    for line in failed:
        print(line, file=sys.stderr)
    return failed


def measure_section(name: str, options: argparse.Namespace) -> None:
    """Measure one section in this process; every row is written as it comes."""
    import torch

    from benchmarks.gpu.context import Context

    device = options.device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    toy = options.toy or not (device.startswith("cuda") or name == "budgets")
    context = Context(device, toy, options.out, options.pack)
    module = importlib.import_module(f"benchmarks.gpu.sections.{name}")
    for row in module.measure(context):
        context.write(row)


def print_table(out: Path) -> None:
    """Print the rows, short enough for the end of a log."""
    from benchmarks.gpu.context import ROWS
    from benchmarks.gpu.row import read_rows

    path = out / ROWS
    for row, _ in read_rows(path) if path.exists() else []:
        time_ms = f"{1e3 * row.median:10.3f} ms" if row.seconds else " " * 13
        share = f"{row.share:5.0%}" if row.share else "     "
        facts = {
            **row.setting,
            **{k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.values.items()},
        }
        print(time_ms, share, row.section, "|", row.system, "|", *(f"{k}={v}" for k, v in facts.items()))


if __name__ == "__main__":
    sys.exit(main())
