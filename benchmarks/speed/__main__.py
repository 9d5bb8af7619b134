"""Speed, side by side in one process: ``python -m benchmarks.speed SECTION``; each section has its options.

The table of a section is written to docs/results/speed-SECTION.md.
"""

from __future__ import annotations

import importlib
import sys

SECTIONS = {
    "ensembles": "benchmarks.speed.ensembles",
    "pools": "benchmarks.speed.system_combination",
    "recognition": "benchmarks.speed.recognition",
    "merging": "benchmarks.speed.merging",
    "distillation": "benchmarks.speed.distillation",
    "experts": "benchmarks.speed.experts",
    "report": "benchmarks.speed.report",
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SECTIONS:
        sys.exit(f"usage: python -m benchmarks.speed SECTION [options]; sections: {', '.join(SECTIONS)}")
    importlib.import_module(SECTIONS[sys.argv[1]]).main(sys.argv[2:])
