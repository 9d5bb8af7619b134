"""The runs that the evidence is read from: one per method, on spoken Multi30k, through the stack flow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.stacking.captions import manifests
from components.records import RunRecord
from tasks.options import value_of

WORK = Path(os.environ.get("ANTIPHON_STACKING", "stacking-benchmark"))
"""Audio, states and the store of the benchmark; nothing of it is committed."""
METHODS = ("dual_source", "direct", "late_fusion", "pre_translation")
TRAIN, DEV = 600, 60
STEPS = {"dual_source": 150, "direct": 200, "late_fusion": 200, "pre_translation": 100}
FOLDS = {"folds": 2, "fold_steps": 150}
PAIRS = 4000
"""Written pairs that pre-translation learns from: it needs no audio."""
ASR = {"beam_size": 1, "n_best": 1, "window_seconds": 8.0}


def settings(method: str, test: str) -> dict[str, Any]:
    """The parameters of one run; ``test``: ``test`` (200 captions, flite) or ``piper`` (the shared 50)."""
    files = manifests(WORK / "captions")
    learn: dict[str, Any] = {"data": str(files["train"]), "limit": TRAIN, "dev": str(files["dev"])}
    learn |= {"dev_limit": DEV, "steps": STEPS[method], "eval_every": 50, "stack": 2, "warmup_steps": 50}
    if method == "pre_translation":
        learn |= {"data": "multi30k:train", "limit": PAIRS, "dev": "multi30k:val", **FOLDS}
    return {
        "data": str(files[test]),
        "source_language": "en",
        "target_language": "de",
        "asr": ASR,
        "learn": learn,
        "stack": {"method": method},
        "store": str(WORK / "store"),
        "name": f"{method}-{test}",
    }


def run(method: str, test: str) -> RunRecord:
    """Run the flow (what is in the store is reused)."""
    from flows.stack import stack

    record: RunRecord = value_of(stack(**settings(method, test)))
    return record


if __name__ == "__main__":
    import sys

    print(run(*sys.argv[1:3]).metrics)
