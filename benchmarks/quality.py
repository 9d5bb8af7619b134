"""Quality on real data: ``python -m benchmarks.quality SECTION``; each section has its options.

The report of a section is written to docs/results/SECTION.md.
"""

from __future__ import annotations

import importlib
import sys

SECTIONS = {
    "merging": "benchmarks.merging_quality",
    "ensembles-int8": "benchmarks.ensembles_int8",
    "recognition": "benchmarks.recognition_quality",
    "long-audio": "benchmarks.long_quality",
    "padding": "benchmarks.padding_quality",
    "non-speech": "benchmarks.non_speech",
    "domain": "benchmarks.domain_quality",
    "stacking": "benchmarks.stacking_quality",
    "meta": "benchmarks.meta_quality",
    "rover": "benchmarks.rover",
    "experts": "benchmarks.experts_quality",
    "pruning": "benchmarks.pruning_quality",
    "ensembles": "benchmarks.ensembles_quality",
    "bagging": "benchmarks.bagging_quality",
    "distillation": "benchmarks.distillation_quality",
    "blame": "benchmarks.blame_quality",
    "refinement": "benchmarks.refinement_quality",
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in SECTIONS:
        sys.exit(f"usage: python -m benchmarks.quality SECTION [options]; sections: {', '.join(SECTIONS)}")
    importlib.import_module(SECTIONS[sys.argv[1]]).main(sys.argv[2:])
