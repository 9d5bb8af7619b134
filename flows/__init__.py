"""The flows: one file each, which `antiphon run NAME` runs; what a run does around its pipeline."""

from flows.server import settings  # first: Prefect reads its settings when it is imported

__all__ = ["settings"]
