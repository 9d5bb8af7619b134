"""Speed, side by side in one process: ``python -m benchmarks.speed SECTION``; each section has its options.

What was measured is stored in docs/results/outputs/speed-SECTION.jsonl.gz, and docs/results/speed-SECTION.md
is written from it.
"""

from __future__ import annotations

import sys

from benchmarks.common.sections import run_section

SECTIONS = {
    "mbr": "benchmarks.speed.mbr",
    "recognition": "benchmarks.speed.recognition",
    "merging": "benchmarks.speed.merging",
    "speculative": "benchmarks.speed.speculative",
    "training": "benchmarks.speed.training",
}

if __name__ == "__main__":
    run_section("benchmarks.speed", SECTIONS, sys.argv[1:])
