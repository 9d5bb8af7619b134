"""The queue of work for cards, by a double of Ray: who dies is replaced, a card in use holds nothing up."""

from __future__ import annotations

import sys
from threading import Event
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tasks import task_runners


@pytest.fixture
def ray_cards() -> ModuleType:
    """The module, imported as a flow imports it: Ray reads then on which addresses it is to listen."""
    pytest.importorskip("prefect_ray", reason="needs the extra ray")
    task_runners.RUNNERS["ray"]()
    return sys.modules["tasks.ray_cards"]


class RayError(Exception):
    """Ray's."""


class RayActorError(RayError):
    """A process has ended."""


class FakeRay:
    """Actors that answer at once; the work ``die`` kills the actor, and number 1 never gets a card."""

    exceptions = SimpleNamespace(RayError=RayError, RayActorError=RayActorError)

    def __init__(self) -> None:
        self.made, self.killed = 0, Event()

    def cluster_resources(self) -> dict[str, float]:
        return {"GPU": 2.0}

    def remote(self, **resources: float) -> Any:
        assert resources == {"num_gpus": 1, "num_cpus": 0}
        return lambda process: SimpleNamespace(remote=self._make)

    def _make(self) -> Any:
        number, self.made = self.made, self.made + 1

        def start() -> None:
            if number == 1:  # another run has the second card
                self.killed.wait(10)
                raise RayActorError

        def run(work: Any) -> Any:
            if work == "die":
                raise RayActorError
            return number, work

        return SimpleNamespace(
            start=SimpleNamespace(remote=lambda: start),
            run=SimpleNamespace(remote=lambda work: lambda: run(work)),
        )

    def get(self, call: Any) -> Any:
        return call()

    def kill(self, actor: Any) -> None:
        self.killed.set()


def test_a_process_that_dies_is_replaced_and_a_card_in_use_keeps_no_work_waiting(
    monkeypatch: pytest.MonkeyPatch, ray_cards: ModuleType
) -> None:
    fake = FakeRay()
    monkeypatch.setattr(ray_cards, "ray", fake)
    cards = ray_cards._Cards(most=8)
    futures = [cards.submit(work) for work in ("one", "die", "two", "three")]
    done = [future.result(10) for future in futures]
    assert [done[index][1] for index in (0, 2, 3)] == ["one", "two", "three"]
    assert done[1].is_crashed()
    assert fake.made == 3 and {number for number, _ in (done[0], done[2], done[3])} <= {0, 2}
    cards.close()
    assert fake.killed.is_set()
