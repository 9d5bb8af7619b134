"""Speed, side by side in one process: ``python -m benchmarks.speed SECTION``; each section has its options.

The table of a section is written to docs/results/speed-SECTION.md.
"""

from __future__ import annotations

import importlib
import sys

SECTIONS = {
    "ensembles": "benchmarks.ensembles",
    "pools": "benchmarks.pools_speed",
    "recognition": "benchmarks.recognition_speed",
    "merging": "benchmarks.merging_speed",
    "distillation": "benchmarks.distillation_speed",
    "experts": "benchmarks.experts_speed",
    "report": "benchmarks.report_speed",
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SECTIONS:
        sys.exit(f"usage: python -m benchmarks.speed SECTION [options]; sections: {', '.join(SECTIONS)}")
    importlib.import_module(SECTIONS[sys.argv[1]]).main(sys.argv[2:])
