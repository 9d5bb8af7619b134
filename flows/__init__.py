"""The flows that are no graph, one file each; what a run of `antiphon run NAME` does around its graph."""

import gc
import os

from flows.server import settings  # first: Prefect reads its settings when it is imported

__all__ = ["settings"]

if "PREFECT__FLOW_RUN_ID" in os.environ:  # a worker's process, for one run: its imports take a quarter less
    gc.set_threshold(50_000, 20, 100)  # as flows/cli/main.py does
