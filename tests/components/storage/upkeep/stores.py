"""Stores for tests: runs with stages that read one another, without models."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.records import Audio, Hypothesis, NBest, Utterance
from components.run_record import NodeRecord, PipelineRecord, RunRecord, StageRef
from components.storage.objects import lease
from components.storage.runs import usage_leases
from components.storage.stages.stage_plan import StagePlan, content_of
from components.storage.store import Store
from components.storage.upkeep.inventory import Inventory
from tests.components.storage.test_store import record
from tests.components.storage.written import written

LONG_AGO = 1_000_000_000.0


def write_stage(
    store: Store, name: str, *reads: StageRef, kind: str = "translate", **changes: object
) -> StageRef:
    """A finished stage of one text, which reads others."""
    plan = StagePlan(
        stage=name,
        kind=kind,
        version="test/1",
        upstream={f"of{n}": content_of(ref) for n, ref in enumerate(reads)},
    ).model_copy(update=changes)
    text = NBest(utterance_id="a", hypotheses=(Hypothesis(text=name, score=0.0, n_tokens=1, system="x"),))
    return written(store, plan, [text])


def write_data(store: Store, audio: Audio | None = None, text: str | None = "a dog") -> StageRef:
    """A finished ``data`` stage of one utterance."""
    utterance = Utterance(id="a", audio=audio, text=text, source_language="en", target_language="de")
    return written(store, StagePlan(stage="data", version=f"data/3 {text}"), [utterance])


def save_run(store: Store, name: str, stages: Sequence[StageRef], **changes: object) -> RunRecord:
    """A recorded run of these stages; the graph is a chain."""
    nodes = [ref for ref in stages if ref.stage != "data"]
    graph = PipelineRecord(
        nodes=tuple(
            NodeRecord(
                name=ref.stage,
                kind=ref.kind,
                output="model" if ref.kind == "train" else "text",
                reads={"of0": "data"},
                language="target",
                status="computed",
            )
            for ref in nodes
        )
    )
    run = record(name, stages=tuple(stages), pipeline=graph, **changes)
    with store.claim_run(run.flow, name):
        store.save_run(run)
    return run


def open_empty_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """An empty store for a fixture with the parameters ``folder``, ``s3`` or ``memory``."""
    monkeypatch.setenv(lease.VARIABLE, "30")
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    if request.param == "s3":
        return Store(str(request.getfixturevalue("s3_url")))
    is_local = request.param == "folder"
    return Store(str(tmp_path / "store") if is_local else f"memory://{uuid.uuid4().hex}/store")


def save_small_run(store: Store, **changes: object) -> RunRecord:
    """The run ``mine`` of two stages; ``changes`` are those of the second one's plan."""
    data = write_data(store)
    return save_run(store, "mine", [data, write_stage(store, "mt", data, **changes)])


def age(store: Store) -> None:
    """Set all files of a local store to long ago."""
    for path in store.root.rglob("*"):
        if path.is_file():
            os.utime(path, (LONG_AGO, LONG_AGO))


def forget_own_uses() -> None:
    """Take back what this process has noted as in use, as if it had ended."""
    for notes in usage_leases._processes.values():
        notes.close()
    usage_leases._processes.clear()


def keys_of(store: Store) -> set[str]:
    """The keys of all stages of a store."""
    return set(store.backend.files.list_folders("stages"))


def shards_of(store: Store) -> set[str]:
    """The keys of all shards of a store."""
    return set(Inventory(store.backend.files).shards)
