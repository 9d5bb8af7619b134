"""Cache of components: each is built once for the plan of a stage, by the process that computes.

A name says nothing about the files behind it, which may change while a process lives, and may be others on
another machine. So a component is kept under the key of its stage's plan, and when it is built the process
makes sure that what it has is what the plan was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from components.compute.model_cache import ModelCache, model_cache
from components.storage.stages.stage_plan import StagePlan
from tasks.engines.plan_check import check_plan

T = TypeVar("T")
MAX_COMPONENTS = 4
"""Components that this process keeps; their models are the model cache's."""
_components = ModelCache(budget=lambda _: MAX_COMPONENTS, size=lambda _: {"components": 1})
model_cache.on_eviction(_components.clear)  # a component would hold models that the cache evicts


def get_component(
    plan: StagePlan,
    settings: Hashable,
    store_url: str | None,
    build: Callable[[], T],
    files: Mapping[str, str] | None = None,
) -> T:
    """Return the component of a stage, built on first use.

    Args:
        plan: the stage's.
        settings: what ``build`` makes it from, besides the files whose digests are in the plan.
        store_url: URL of the store.
        build: makes the component.
        files: the plan's ``inputs`` that are files here, by name.

    Raises:
        StoreError: models, files, libraries or processor of this process are not those of the plan.
    """

    def build_checked() -> T:
        component = build()
        check_plan(
            plan, store_url, files or {}
        )  # afterwards: what changed while it was read is noticed as well
        return component

    return _components.get((plan.key, settings, store_url), build_checked)
