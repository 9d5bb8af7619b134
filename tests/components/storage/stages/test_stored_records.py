from __future__ import annotations

from pathlib import Path

import pytest

from components.records import Hypothesis, NBest, Utterance
from components.run_record import StageRef
from components.storage.stages import id_index, stored_records
from components.storage.stages.id_index import find_missing, index_of
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import finish_stage
from components.storage.stages.stored_records import StoredOutcomes, StoredUtterances, find_utterance
from components.storage.store import Store
from tests.components.storage.test_store import refusal
from tests.components.storage.written import encode_piece, written

N = 60


def nbest(name: str) -> NBest:
    best = Hypothesis(text=f"heard {name}\u2028", score=-1, n_tokens=1, system="s")
    return NBest(utterance_id=name, hypotheses=(best,))


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[StageRef, StageRef]:
    """A data set in 21 shards, and texts of every third utterance in as many."""
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    id_index._find_index.cache_clear()
    store = Store(str(tmp_path / "store"))
    utterances = [Utterance(id=f"u{n}", text=str(n), source_language="en") for n in range(N)]
    data = written(store, "data", utterances, [refusal("bad")], size=3)
    plan = StagePlan(stage="mt", kind="translate", version="1")
    pieces = [[nbest(f"u{n}"), *([refusal("u1")] if n == 0 else [])] for n in range(0, N, 3)]
    shards = [encode_piece(plan, piece) for piece in [*pieces, []]]
    plan = plan.with_shards(header.key for header, _ in shards)
    return data, finish_stage(store, plan, [store.add_shard(*shard) for shard in shards], {})


def test_a_record_is_read_by_id_and_position_with_few_shards_open(
    stages: tuple[StageRef, StageRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, texts = stages
    opened: list[str] = []
    lines = stored_records._Lines
    monkeypatch.setattr(
        stored_records, "_Lines", lambda store, entry: opened.append(entry.key) or lines(store, entry)
    )
    utterances = StoredUtterances(data)
    assert len(utterances) == N and utterances[-1].id == f"u{N - 1}" and not opened[1:]
    assert find_utterance(utterances, "u30") == utterances[30]
    assert find_utterance(utterances, "bad") is None and find_utterance(utterances, "none") is None
    assert len(opened) <= 6
    outcomes = StoredOutcomes(texts, data)
    assert "u1" in outcomes and "u2" not in outcomes
    assert outcomes["u1"] == refusal("u1") and isinstance(outcomes["u57"], NBest)
    assert list(outcomes) == ["u0", "u1", *(f"u{n}" for n in range(3, N, 3))] and len(outcomes) == 21


def test_all_are_read_in_order_without_an_index(
    stages: tuple[StageRef, StageRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, texts = stages
    monkeypatch.setattr(stored_records, "index_of", lambda ref: pytest.fail("an index was made"))
    assert [utterance.id for utterance in StoredUtterances(data)] == [f"u{n}" for n in range(N)]
    outcomes = StoredOutcomes(texts)
    assert all(outcomes[f"u{n}"] == nbest(f"u{n}") for n in range(0, N, 3))


@pytest.mark.parametrize("damage", [None, b"", b"x" * 4000])
def test_the_index_of_a_large_stage_is_kept_and_made_again_where_it_is_damaged(
    stages: tuple[StageRef, StageRef], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: bytes | None
) -> None:
    data, _ = stages
    monkeypatch.setattr(id_index, "KEPT_FROM", 10)
    assert index_of(data).find("u31") == [10]
    (kept,) = (tmp_path / "cache" / "ids").iterdir()
    id_index._find_index.cache_clear()
    if damage is None:
        monkeypatch.setattr(id_index, "_build", lambda *_: pytest.fail("it was made again"))
    else:
        kept.write_bytes(damage)
    assert index_of(data).find("u31") == [10]
    assert find_missing(data, ["u0", "u59", "bad", "none"]) == {"bad", "none"}
