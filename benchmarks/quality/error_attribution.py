"""Four cascades on spoken captions: which is better, and which stage is to blame in each.

``python -m benchmarks.quality blame --data MANIFEST`` runs the systems of
benchmarks/quality/spoken.yaml (what the store has is reused) and writes docs/results/blame.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.common.paths import RESULTS, ROOT
from components.analysis.cascade_attribution import AttributionReport
from components.analysis.comparison import Comparison
from components.storage.store import Store
from reports.analyses import attribution_report, comparison_report
from reports.analyses.stage_results import read_blame, read_comparison

CONFIGURATION = "benchmarks/quality/spoken.yaml"
PAGE = RESULTS / "blame.md"


def format_table(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Rows as a table in Markdown."""
    records = list(rows)
    columns = list(dict.fromkeys(name for row in records for name in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return lines + ["| " + " | ".join(row.get(name, "") for name in columns) + " |" for row in records]


def format_page(comparison: Comparison, blames: Mapping[str, AttributionReport]) -> str:
    """The page of results."""
    lines = [
        "# Which stage is to blame",
        "",
        f"{comparison.n} of {comparison.n_total} captions of Multi30k test_2016_flickr, English to German, "
        "spoken by a free synthetic voice (piper, joe). Written by `python -m benchmarks.quality blame "
        f"--data spoken/manifest.jsonl`; the systems are in `{CONFIGURATION}`. Values with 95% intervals; "
        "p after Holm's correction. Times were taken on a shared machine and compare only roughly.",
        "",
        *format_table(comparison_report.build_score_rows(comparison)),
        "",
        *format_table(comparison_report.build_cost_rows(comparison)),
        "",
    ]
    signatures = dict.fromkeys(one.signature for one in comparison.differences)
    lines += [f"Protocol: `{signature}`  " for signature in signatures]
    for name, report in blames.items():
        lines += [
            "",
            f"## {name}",
            "",
            *(f"{attribution_report.summarize(one)}.  " for one in report.blames),
            "",
        ]
        lines += format_table(attribution_report.build_rows(report))
        both = report.wer_and_loss
        if both.pearson and both.spearman:
            pearson, spearman = (
                attribution_report.format_estimate(one, sign=False) for one in (both.pearson, both.spearman)
            )
            text = f"WER and the chrF lost to it: Pearson {pearson}, Spearman {spearman}"
            lines += ["", f"{text}, {both.n} utterances."]
    return "\n".join(line.replace("⟨", "<") for line in lines) + "\n"


def main(arguments: Sequence[str]) -> None:
    """Run the comparison, or find it done, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality blame")
    parser.add_argument("--data", required=True)
    parser.add_argument("--store")
    parser.add_argument("--name", default="blame-benchmark")
    options = parser.parse_args(arguments)
    command = [
        sys.executable,
        "-m",
        "flows.cli.main",
        "run",
        "compare",
        "-c",
        CONFIGURATION,
        "--data",
        options.data,
    ]
    command += ["--target-language", "de", "--name", options.name, "--replace"]
    subprocess.run([*command, *(["--store", options.store] if options.store else [])], cwd=ROOT, check=True)
    store = Store(options.store)
    run = store.load_run(options.name)
    comparison = read_comparison(next(ref for ref in run.stages if ref.stage == "comparison"))
    blames = {}
    for row in comparison.rows:
        system = store.load_run(f"{options.name}.{row.system}")
        blames[row.system] = read_blame(next(ref for ref in system.stages if ref.stage == "blame"))
    PAGE.write_text(format_page(comparison, blames), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
