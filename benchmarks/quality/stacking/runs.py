"""The runs that the evidence is read from: one per method, on spoken Multi30k, through the stack flow."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flows  # noqa: F401 - sets what Prefect reads when it is imported
from benchmarks.quality.stacking.captions import write_manifests
from components.run_record import RunRecord
from tasks.task_options import unwrap

WORK = Path(os.environ.get("ANTIPHON_STACKING", "stacking-benchmark"))
"""Audio, states and the store of the benchmark; nothing of it is committed."""
METHODS = ("dual_source", "dual_frozen", "direct", "late_fusion", "pre_translation")
"""``dual_frozen`` is ``dual_source`` with a text model that stays as it is."""


@dataclass(frozen=True)
class Budget:
    """How much is made and trained. ``pairs`` are written ones: pre-translation learns from them."""

    train: int
    dev: int
    test: int
    steps: dict[str, int]
    pairs: int
    fold_steps: int
    folds: int = 2


BUDGETS = {
    "minutes": Budget(
        300,
        30,
        60,
        {"dual_source": 50, "dual_frozen": 50, "direct": 80, "late_fusion": 80, "pre_translation": 40},
        1000,
        60,
    ),
    "hour": Budget(
        1000,
        80,
        200,
        {"dual_source": 300, "dual_frozen": 300, "direct": 600, "late_fusion": 600, "pre_translation": 200},
        29000,
        400,
    ),
}
"""``minutes`` of two shared cores, or an ``hour``."""
ASR = {"beam_size": 1, "n_best": 1, "window_seconds": 8.0}


def settings(method: str, test: str, name: str) -> dict[str, Any]:
    """The parameters of one run; ``test``: ``test`` (captions by flite) or ``piper`` (the shared 50)."""
    budget = BUDGETS[name]
    files = write_manifests(WORK / "captions")
    learn: dict[str, Any] = {"data": str(files["train"]), "limit": budget.train, "dev": str(files["dev"])}
    learn |= {"dev_limit": budget.dev, "steps": budget.steps[method], "stack": 2, "warmup_steps": 20}
    learn |= {"eval_every": max(20, budget.steps[method] // 10)}
    if method == "dual_frozen":
        learn |= {"freeze": True}
    if method == "pre_translation":
        learn |= {"data": "multi30k:train", "limit": budget.pairs, "dev": "multi30k:val"}
        learn |= {"folds": budget.folds, "fold_steps": budget.fold_steps}
    return {
        "data": str(files[test]),
        "limit": budget.test if test == "test" else None,
        "source_language": "en",
        "target_language": "de",
        "asr": ASR,
        "learn": learn,
        "stack": {"method": "dual_source" if method == "dual_frozen" else method},
        "store": str(WORK / "store"),
        "name": f"{method}-{test}-{name}",
        "replace": True,
    }


def run(method: str, test: str, budget: str = "minutes") -> RunRecord:
    """Run the flow (what is in the store is reused)."""
    from flows.stack import stack

    record: RunRecord = unwrap(stack(**settings(method, test, budget)))
    return record


if __name__ == "__main__":
    import sys

    print(run(*sys.argv[1:]).metrics)
