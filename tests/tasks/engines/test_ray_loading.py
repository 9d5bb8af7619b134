"""What becomes of workers that open the rows of a data set and fail, or die."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from components.errors import StoreError

pytest.importorskip("ray", reason="needs the extra ray")
from ray.exceptions import RayTaskError, WorkerCrashedError

from tasks.engines.ray import driver
from tasks.engines.ray.messages import Event, LoadJob

FULL = RayTaskError("build", "a traceback\nof lines", StoreError("no space left")).as_instanceof_cause()
DEAD = "data: expected its rows to be opened, found that 3 processes ended while they did "


@pytest.mark.parametrize(
    ("fault", "name", "begins"),
    [(FULL, "StoreError", "no space left"), (WorkerCrashedError(), "AntiphonError", DEAD)],
)
def test_a_load_that_fails_is_one_line(
    fault: Exception, name: str, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's error of a task has its traceback for its text; and it would begin a task anew for ever."""
    options: dict[str, Any] = {}

    def remote(**values: Any) -> Any:
        options.update(values)
        return lambda function: SimpleNamespace(remote=lambda *given: "a task")

    def get(task: str) -> None:
        raise fault

    told: list[Event] = []
    ray = SimpleNamespace(remote=remote, get=get, wait=lambda tasks, num_returns: (tasks, []))
    monkeypatch.setattr(driver, "ray", ray)
    monkeypatch.setattr(driver, "_ray", ray)
    connection: Any = SimpleNamespace(send=told.append)
    driver._Driver(connection)._run(LoadJob(0, "store", "folder", [b"rows"]))
    assert (told[0].sort, told[0].error, options["max_retries"]) == ("failed", name, 2)
    assert told[0].message.startswith(begins) and "\n" not in told[0].message
