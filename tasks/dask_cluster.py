"""Dask with one cluster for a run, whose nodes submit from several threads at once, and without its log."""

from __future__ import annotations

import logging
from threading import Lock

from prefect_dask.client import PrefectDaskClient
from prefect_dask.task_runners import DaskTaskRunner

_STARTING = Lock()
"""Not the runner's own: runners are sent to workers."""
logging.getLogger("distributed").setLevel(logging.WARNING)  # else it tells of every connection


class OneClusterDaskRunner(DaskTaskRunner):
    """A Dask runner that starts one cluster, whichever thread is the first to submit.

    Prefect's starts one for each thread that comes before the first is there.
    """

    @property
    def client(self) -> PrefectDaskClient:
        """The client of the cluster, which is started at the first use."""
        with _STARTING:
            return super().client
