"""Components at work: built once for the plan of a stage, by the process that computes, and of nothing else.

A name says nothing about the files behind it, which may change while a process lives, and may be others on
another machine. So a component is kept under the key of its stage's plan, and when it is built the process
makes sure that what it has is what the plan was made from.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TypeVar

from components.device import Pool, pool
from components.errors import StoreError
from components.models.weights import weights_at
from components.storage.seal import file_digest
from components.storage.stage_plan import StagePlan, library_versions

T = TypeVar("T")
MOST = 4
"""Components kept in a process; their models are the pool's."""
_kept = Pool(budget=lambda _: MOST, size=lambda _: {"components": 1})
pool.on_eviction(_kept.clear)  # a component would keep the models that the pool lets go


def component_of(
    plan: StagePlan,
    settings: Hashable,
    store_url: str | None,
    build: Callable[[], T],
    files: Mapping[str, str] | None = None,
) -> T:
    """What ``build`` makes for a stage, kept while the process goes on with that stage.

    Args:
        settings: what ``build`` makes it from, beside the files that the plan has the digests of.
        files: the plan's ``inputs`` that are files here, by name.

    Raises:
        StoreError: models, files, libraries or processor of this process are not those of the plan.
    """

    def build_checked() -> T:
        made = build()
        check(plan, store_url, files or {})  # afterwards: what changed while it was read is noticed as well
        return made

    return _kept.get((plan.key, settings, store_url), build_checked)


def check(plan: StagePlan, store_url: str | None, files: Mapping[str, str]) -> None:
    """Compare what this process has with what a plan was made from. Raises :class:`StoreError`."""
    for role, name in plan.models.items():
        expected = {each: sha for each, sha in plan.weights.items() if each in {role, f"{role}.tokenizer"}}
        if expected:
            _require(plan, name, expected, weights_at({role: name}, store_url))
    for name, path in files.items():
        _require(plan, path, {name: plan.inputs[name]}, {name: file_digest(Path(path))})
    _require(plan, "libraries", plan.libraries, library_versions(plan.libraries))
    here = StagePlan.model_validate(plan.model_dump(exclude={"numerics"})).numerics
    unset = {"threads": ""}  # they travel with each shard
    _require(plan, "processor", plan.numerics | unset, here | unset)


def _require(plan: StagePlan, what: str, expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise StoreError(
                f"stage {plan.stage}: expected {what} as when it was planned ({name} "
                f"{expected.get(name, 'none')[:40]}), found {found.get(name, 'none')[:40]} on "
                f"{socket.gethostname()}; run it again, with workers that have the same as this machine"
            )
