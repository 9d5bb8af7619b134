"""Quality on real data: ``python -m benchmarks.quality SECTION``; each section has its options.

What was measured is stored in docs/results/outputs/SECTION.jsonl.gz, and docs/results/SECTION.md is written
from it.
"""

from __future__ import annotations

import sys

from benchmarks.common.sections import run_section

SECTIONS = {
    "merging-frontier": "benchmarks.quality.merging_frontier",
    "merging-initializations": "benchmarks.quality.merging_initializations",
    "merging-voices": "benchmarks.quality.merging_voices",
    "long-recording": "benchmarks.quality.long_recording",
    "context": "benchmarks.quality.context",
    "word-times": "benchmarks.quality.word_times",
    "arithmetic": "benchmarks.quality.arithmetic",
    "domain": "benchmarks.quality.domain",
    "monitoring": "benchmarks.quality.monitoring.section",
    "simultaneous": "benchmarks.quality.simultaneous.section",
    "reduced-experts": "benchmarks.quality.reduced_experts.section",
    "confidence": "benchmarks.quality.confidence.calibration",
    "routing": "benchmarks.quality.confidence.routing",
    "pools": "benchmarks.quality.confidence.pools",
    "evidence": "benchmarks.quality.confidence.evidence",
    "fuse": "benchmarks.quality.confidence.fusing",
    "students": "benchmarks.quality.students",
    "search": "benchmarks.quality.search",
    "design": "benchmarks.quality.design.section",
    "terms": "benchmarks.quality.terms",
    "ctc": "benchmarks.quality.ctc_family",
    "vocabularies-text": "benchmarks.quality.vocabularies_text",
}

if __name__ == "__main__":
    run_section("benchmarks.quality", SECTIONS, sys.argv[1:])
