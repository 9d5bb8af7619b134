"""The engine of a flow: who computes the shards of its nodes, threads of this process or Ray's workers.

The parameter ``engine`` of a flow says which, else ``ANTIPHON_ENGINE``. Where the machines are is no matter
of a flow's parameters: ``RAY_ADDRESS`` says it. Outputs and keys are the same whoever computes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from components.errors import ConfigError
from components.text.suggestions import did_you_mean
from tasks.engines.ray.engine import RayEngine

EngineName = Literal["local", "ray"]
ENGINES: tuple[EngineName, ...] = ("local", "ray")
VARIABLE = "ANTIPHON_ENGINE"

_RAY: ContextVar[RayEngine | None] = ContextVar("Ray's driver of this flow", default=None)
_NAME: ContextVar[str | None] = ContextVar("name of the engine of this flow", default=None)


def resolve_engine_name(name: str | None = None) -> str:
    """Return the name of the engine that is set: by ``name``, by the flow around, or by the environment.

    Raises:
        ConfigError: there is no such engine.
    """
    name = name or _NAME.get() or os.environ.get(VARIABLE) or "local"
    if name not in ENGINES:
        hint = did_you_mean(name, ENGINES)
        raise ConfigError(f"{VARIABLE}: expected one of {', '.join(ENGINES)}, found {name!r}{hint}")
    return name


def current_ray() -> RayEngine | None:
    """Return Ray's driver of the flow at work; None where its shards are computed in this process."""
    return _RAY.get()


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
    ray = RayEngine() if name == "ray" else None
    before = _NAME.set(name), _RAY.set(ray)
    is_complete = False
    try:
        yield
        is_complete = True
    finally:
        _RAY.reset(before[1])
        _NAME.reset(before[0])
        if ray is not None:
            ray.close(at_once=not is_complete)
