"""CPU of an unchanged rerun of the sample cascade against that of importing what it stands on."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile

from benchmarks.system.startup import time_process

IMPORTS = "import torch, transformers, prefect"
RUN = ("run", "cascade", "--data", "sample")


def measure_rerun(rounds: int) -> tuple[float, float, float]:
    """Median CPU seconds of the rerun and of the imports, in turn, and the median of the rounds' ratios."""
    with tempfile.TemporaryDirectory() as folder:
        time_process(RUN, folder)  # computes, or starts what is compiled at first use
        times = [(time_process(RUN, folder)[1], _time_imports()) for _ in range(rounds)]
    reruns, imports = zip(*times, strict=True)
    ratio = statistics.median(rerun / imported for rerun, imported in times)
    return statistics.median(reruns), statistics.median(imports), ratio


def _time_imports() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", IMPORTS], env=os.environ, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
