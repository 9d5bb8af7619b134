"""Pooling finished stages through the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from prefect import flow

from components.ensembling import pooling
from components.ensembling.config import PoolingConfig
from components.errors import ConfigError, StoreError
from components.records import Hypothesis, NBest, Quarantined, StageRef, Utterance
from components.storage.reader import hypotheses, quarantined
from components.storage.stage_plan import StagePlan
from components.storage.stage_writer import opened
from components.storage.store import Store
from tasks import pooling as stage
from tasks.options import value_of

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
N = 40
VOTES = PoolingConfig(n_best=1)


@flow(name="pooled", persist_result=False)
def pooled(config: PoolingConfig, refs: Sequence[StageRef], data: StageRef, root: str) -> StageRef:
    found: StageRef = value_of(stage.pool(config, refs, data, root))
    return found


def written(root: Path, name: str, good: list[str], bad: Sequence[str], ids: list[str]) -> StageRef:
    """A finished stage. ``name`` tells its key apart."""
    plan = StagePlan(stage="data" if name == "data" else "asr", version="test/1", inputs={"who": name})
    with opened(Store(str(root)), plan) as writer:
        writer.append(good, bad, seconds=0.0, peak=0)
        return writer.finish(ids)


def data_of(root: Path) -> StageRef:
    ids = [f"u{n}" for n in range(N)]
    rows = [Utterance(id=key, text=key, source_language="en").model_dump_json() for key in ids]
    return written(root, "data", rows, [], ids)


def system(root: Path, name: str, say: str, lacking: int | None = None) -> StageRef:
    ids = [f"u{n}" for n in range(N)]
    bad = [] if lacking is None else [f"u{lacking}"]
    good = [
        NBest(
            utterance_id=key,
            hypotheses=(Hypothesis(text=f"{say} {key}", score=-1.0, n_tokens=2, system=name),),
        ).model_dump_json()
        for key in ids
        if key not in bad
    ]
    errors = [Quarantined(utterance_id=key, stage="asr", reason="poison", detail="-") for key in bad]
    return written(root, name, good, [error.model_dump_json() for error in errors], ids)


def test_two_outvote_one_and_the_stage_is_reused(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    refs = [
        system(tmp_path, "x", "bat"),
        system(tmp_path, "y", "cat", lacking=3),
        system(tmp_path, "z", "cat", lacking=3),
    ]
    ref = pooled(VOTES, refs, data, str(tmp_path))
    assert (ref.stage, ref.items, ref.quarantined, ref.reused) == ("pool", N, 0, False)
    texts = {found.utterance_id: found.best.text for found in hypotheses(ref)}
    assert texts == {f"u{n}": f"{'bat' if n == 3 else 'cat'} u{n}" for n in range(N)}
    assert {found.best.features["systems"] for found in hypotheses(ref)} == {1.0, 3.0}

    again = pooled(VOTES, refs, data, str(tmp_path))
    assert again == ref.model_copy(update={"reused": True})
    turned = pooled(VOTES, refs[::-1], data, str(tmp_path))
    assert turned.key != ref.key  # the order decides ties, so it is part of the key
    weighted = pooled(VOTES.model_copy(update={"weights": (5.0, 1.0, 1.0)}), refs, data, str(tmp_path))
    assert next(hypotheses(weighted)).best.text == "bat u0"


def test_what_all_systems_lack_is_quarantined(tmp_path: Path) -> None:
    refs = [system(tmp_path, name, "cat", lacking=3) for name in "xy"]
    ref = pooled(VOTES, refs, data_of(tmp_path), str(tmp_path))
    assert (ref.items, ref.quarantined) == (N, 1)
    assert [bad.utterance_id for bad in quarantined(ref)] == ["u3"]
    plan = json.loads((Path(ref.path) / "plan.json").read_text())
    assert list(plan["upstream"]) == ["0:x", "1:y", "data"]


def test_an_interrupted_stage_goes_on_after_its_last_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, refs = data_of(tmp_path), [system(tmp_path, "x", "cat"), system(tmp_path, "y", "cat")]
    real, calls = pooling.pool, []

    def dying(utterance_id: str, *rest: object) -> object:
        calls.append(utterance_id)
        if utterance_id == "u35" and calls.count("u35") == 1:
            raise ZeroDivisionError
        return real(utterance_id, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pooling, "pool", dying)
    with pytest.raises(ZeroDivisionError):
        pooled(VOTES, refs, data, str(tmp_path))
    ref = pooled(VOTES, refs, data, str(tmp_path))
    assert (ref.items, calls.count("u0"), calls.count("u35")) == (N, 1, 2)


def test_faults_are_told_before_any_work(tmp_path: Path) -> None:
    data, x = data_of(tmp_path), system(tmp_path, "x", "cat")
    with pytest.raises(ConfigError, match=r"weights: expected one for each of the 2 systems \(x, x#2\)"):
        pooled(VOTES.model_copy(update={"weights": (1.0,)}), [x, x], data, str(tmp_path))
    other = written(
        tmp_path,
        "other",
        [next(hypotheses(x)).model_copy(update={"utterance_id": "v"}).model_dump_json()],
        [],
        ["v"],
    )
    with pytest.raises(ConfigError, match="no utterance in common"):
        pooled(VOTES, [x, other], data, str(tmp_path))


def test_an_empty_stored_list_names_the_system_and_the_record(tmp_path: Path) -> None:
    data, x = data_of(tmp_path), system(tmp_path, "x", "cat")
    rows = [json.dumps({"utterance_id": f"u{n}", "hypotheses": []}) for n in range(N)]
    hollow = written(tmp_path, "hollow", rows, [], [f"u{n}" for n in range(N)])
    with pytest.raises(StoreError, match=r"system .* expected at least one hypothesis .* 'u0'"):
        pooled(VOTES, [x, hollow], data, str(tmp_path))
