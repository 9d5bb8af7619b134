"""Check that the process that computes has what the plan of its stage was made from."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from components.errors import StoreError
from components.files.digests import file_digest
from components.models.weight_digests import resolve_weight_digests
from components.storage.stages.stage_plan import StagePlan, library_versions


def check_plan(plan: StagePlan, store_url: str | None, files: Mapping[str, str]) -> None:
    """Compare models, files, libraries and processor of this process with those of a plan.

    Args:
        plan: the stage's.
        store_url: URL of the store.
        files: the plan's ``inputs`` that are files here: role -> path.

    Raises:
        StoreError: something differs; the message says what.
    """
    for role, name in plan.models.items():
        expected = {
            weight_role: sha
            for weight_role, sha in plan.weights.items()
            if weight_role in {role, f"{role}.tokenizer"}
        }
        if expected:
            _require_equal(plan, name, expected, resolve_weight_digests({role: name}, store_url))
    for name, path in files.items():
        _require_equal(plan, path, {name: plan.inputs[name]}, {name: file_digest(Path(path))})
    _require_equal(plan, "libraries", plan.libraries, library_versions(plan.libraries))
    here = StagePlan.model_validate(plan.model_dump(exclude={"numerics"})).numerics
    unset = {"threads": ""}  # they travel with each shard
    _require_equal(plan, "processor", plan.numerics | unset, here | unset)


def _require_equal(
    plan: StagePlan, what: str, expected: Mapping[str, str], actual: Mapping[str, str]
) -> None:
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            raise StoreError(
                f"stage {plan.stage}: expected {what} as when it was planned ({name} "
                f"{expected.get(name, 'none')[:40]}), found {actual.get(name, 'none')[:40]} on "
                f"{socket.gethostname()}; run it again, with workers that have the same as this machine"
            )
