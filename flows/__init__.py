"""The flows that are no graph, one file each; what a run of `antiphon run NAME` does around its graph."""

from flows.server import settings  # first: Prefect reads its settings when it is imported

__all__ = ["settings"]
