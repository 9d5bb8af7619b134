"""The flows: one file each, which `python -m flows.<name>` runs; what a run does around its pipeline."""

from flows.server import settings  # first: Prefect reads its settings when it is imported

__all__ = ["settings"]
