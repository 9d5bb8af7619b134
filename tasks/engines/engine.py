"""The engine of a flow: who computes the shards of its nodes.

That are threads of this process, or what an entry of ``antiphon.engines`` brings. The parameter ``engine`` of
a flow says which, else ``ANTIPHON_ENGINE``. Where the machines are is no matter of a flow's parameters:
``RAY_ADDRESS`` says it. Outputs and keys are the same whoever computes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from components.data.stage import BuiltShard, DataShards
from components.errors import ConfigError
from components.extensions import Extensions, accept_callable
from components.pipeline.planning import NodePlan
from components.run_record import StageRef
from components.storage.store import Store
from components.text.suggestions import did_you_mean
from tasks.engines.node_at_work import Shards
from tasks.engines.run_coordinator import RunCoordinator

LOCAL = "local"
"""The engine that needs no entry: threads of this process."""
VARIABLE = "ANTIPHON_ENGINE"


class Engine(Protocol):
    """What computes shards elsewhere than in the process of the run."""

    def assign_shards(
        self,
        plans: Mapping[str, NodePlan],
        duplicates: Mapping[str, str],
        data: Mapping[str, StageRef],
        coordinator: RunCoordinator,
    ) -> dict[str, Shards]:
        """Return who computes the shards of nodes; the process of the run does where nobody is named.

        Args:
            plans: of all nodes, each after those that it reads.
            duplicates: node -> the node whose stage is also its own.
            data: the data sets by name.
            coordinator: of the run.
        """

    def build_shards(self, shards: DataShards, store: Store) -> Iterator[BuiltShard]:
        """Open, check and store the rows of a data set; its shards in order."""

    def close(self, *, at_once: bool) -> None:
        """End it; ``at_once`` where the run was stopped."""


ENGINES: Extensions[Callable[[], Engine]] = Extensions("antiphon.engines", "engine", accept_callable)
"""Name of an engine -> starts it."""

_ENGINE: ContextVar[Engine | None] = ContextVar("engine of this flow", default=None)
_NAME: ContextVar[str | None] = ContextVar("name of the engine of this flow", default=None)


def resolve_engine_name(name: str | None = None) -> str:
    """Return the name of the engine that is set: by ``name``, by the flow around, or by the environment.

    Raises:
        ConfigError: there is no such engine.
    """
    name = name or _NAME.get() or os.environ.get(VARIABLE) or "local"
    engines = [LOCAL, *ENGINES]
    if name not in engines:
        hint = did_you_mean(name, engines)
        raise ConfigError(f"{VARIABLE}: expected one of {', '.join(engines)}, found {name!r}{hint}")
    return name


def current_engine() -> Engine | None:
    """Return the engine of the flow at work; None where its shards are computed in this process."""
    return _ENGINE.get()


@contextmanager
def use_engine(name: str | None) -> Iterator[None]:
    """Compute the shards of the block by an engine; a flow inside another shares that one's.

    Args:
        name: of the engine; None: as the flow around it, or the environment, says.

    Raises:
        ConfigError: there is no such engine, or its extra is not installed.
    """
    name = resolve_engine_name(name)
    if name == _NAME.get():
        yield
        return
    engine = None if name == LOCAL else ENGINES[name]()
    before = _NAME.set(name), _ENGINE.set(engine)
    is_complete = False
    try:
        yield
        is_complete = True
    finally:
        _ENGINE.reset(before[1])
        _NAME.reset(before[0])
        if engine is not None:
            engine.close(at_once=not is_complete)
