"""Reports that are written again, and the index of all runs of a store."""

from __future__ import annotations

from pathlib import Path

from components.files.files import disk_full_as_store_error
from components.storage.runs.run_listing import list_runs
from components.storage.store import Store
from reports.page import index_page
from tasks.stages.report import render


def render_again(name: str, store: Store) -> Path:
    """Write the report of a recorded run again and return its path.

    Raises:
        StoreError: there is no such run, or it cannot be written.
    """
    with store.lock_recorded_run(name) as run:
        page, _ = render(run, store)
        store.backend.upload_run(name)
    return page


def write_store_index(store: Store) -> Path:
    """Write the index of a store's runs and return its path.

    Raises:
        StoreError: it cannot be written.
    """
    with disk_full_as_store_error("the index of the runs", store.root):
        return index_page.write_index(list_runs(store), store.root)
