"""What running costs beside the models: ``python -m benchmarks.system SECTION``.

Each section has its options. What was measured is stored in docs/results/outputs/SECTION.jsonl.gz, and
docs/results/SECTION.md is written from it.
"""

from __future__ import annotations

import sys

from benchmarks.common.sections import run_section

SECTIONS = {
    "startup": "benchmarks.system.startup",
    "growth": "benchmarks.system.growth",
    "kills": "benchmarks.system.kills",
    "side-by-side": "benchmarks.system.side_by_side",
    "checkpoint": "benchmarks.system.checkpoint",
    "scaling": "benchmarks.system.scaling",
    "serving": "benchmarks.system.serving",
}

if __name__ == "__main__":
    run_section("benchmarks.system", SECTIONS, sys.argv[1:])
