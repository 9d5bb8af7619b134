"""Reuse of what was computed on other processors, cards or numbers of threads: ``reuse: equivalent``.

Exact reuse takes what has the same key, in which the machine's numerics stand, since they decide the last
bits. What is *alike* has everything else in common: models, settings, data, libraries. A team with mixed
machines that shares a store computes it once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple, Protocol

from components.extensions import Extensions, accept_any
from components.files.canonical_json import digest_of
from components.records import Sha256
from components.storage.stages.stage_plan import StagePlan, digest_plan
from components.storage.store import Store

Reuse = Literal["exact", "equivalent"]
_REUSE: ContextVar[Reuse] = ContextVar("reuse", default="exact")


@contextmanager
def use_reuse(reuse: Reuse) -> Iterator[None]:
    """Reuse in the block only what is exactly the same, or also what is equivalent."""
    token = _REUSE.set(reuse)
    try:
        yield
    finally:
        _REUSE.reset(token)


def alike_stage(plan: StagePlan, upstream: Mapping[str, str]) -> Sha256:
    """Return what all stages share that differ from this one by numerics alone.

    Args:
        plan: the stage's.
        upstream: the same of what it reads whole, by role.
    """
    values = plan.model_dump(mode="json", exclude={"shards", "numerics", "upstream"})
    keys = plan.upstream.values()  # of other nodes: a model that one of them makes needs no digest
    made = {role for role, name in plan.models.items() if name.removeprefix("store:") in keys}
    models = {role: sha for role, sha in values["weights"].items() if role not in made}
    return digest_plan({**values, "weights": models, "upstream": dict(upstream)})


def alike_shard(stage: str, read: Mapping[str, str]) -> Sha256:
    """Return what all shards share that differ by numerics alone."""
    return digest_of(["alike", stage, dict(read)])


class Found(NamedTuple):
    """Something equivalent in the store: its key, and the numerics that it was computed with."""

    key: str
    numerics: Mapping[str, str]

    def describe(self) -> str:
        """Return the numerics in a few words."""
        return ", ".join(f"{name} {value}" for name, value in sorted(self.numerics.items())) or "no torch"


class Equivalents(Protocol):
    """What is stored that is alike."""

    def choose_shards(self, keys: Sequence[str], alike: Sequence[str]) -> tuple[list[str], Counter[str]]:
        """Return the keys of shards to use: the exact ones, or what is alike and stored.

        Args:
            keys: the exact ones.
            alike: what those that are alike share, for each.

        Returns:
            The keys, and how many of them were computed with other numerics, by these.
        """

    def find_stage(self, plan: StagePlan) -> Found | None:
        """Return a finished stage made in one piece that is alike; None where the exact one is there."""


SEARCHES: Extensions[Callable[[Store], Equivalents]] = Extensions("antiphon.reuse", "reuse", accept_any)
"""Reuse -> looks through a store."""


def find_equivalents(store: str | None) -> Equivalents | None:
    """Look for what may be reused though it is not exactly the same; None where nothing else may be."""
    reuse = _REUSE.get()
    return None if reuse == "exact" else SEARCHES[reuse](Store(store))
