"""Reranking coefficients as a stage, and a pool that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from prefect import flow

from components.ensembling.config import PoolingConfig
from components.errors import DataError
from components.records import Hypothesis, NBest, StageRef, Utterance
from components.storage.reader import best_texts
from tasks import tuning
from tasks.options import value_of
from tasks.pooling import pool
from tests.tasks.test_pooling import written

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
RERANK = PoolingConfig(method="reranking", utility="wer")
N = 6


@flow(name="tuned", persist_result=False)
def learned(refs: Sequence[StageRef], data: StageRef, root: str) -> tuple[StageRef, StageRef]:
    names = ["x", "y"]
    ref = tuning.tune(RERANK, refs, data, root, names)
    return ref, value_of(pool(tuning.tuned(RERANK, ref), refs, data, root, names))


def stages(root: Path, transcript: str | None) -> tuple[list[StageRef], StageRef]:
    """x is always wrong and first; y is right."""
    ids = [f"u{n}" for n in range(N)]
    truth = {key: transcript and f"{transcript} {key}" for key in ids}
    rows = [Utterance(id=k, text=k, source_language="en", transcript=truth[k]).model_dump_json() for k in ids]
    refs = []
    for name, text in {"x": "a bat", "y": "a cat"}.items():
        lists = [
            NBest(
                utterance_id=key,
                hypotheses=(Hypothesis(text=f"{text} {key}", score=-1.0, n_tokens=3, system=name),),
            ).model_dump_json()
            for key in ids
        ]
        refs.append(written(root, name, lists, [], ids))
    return refs, written(root, "data", rows, [], ids)


def test_what_is_learned_is_used_and_kept(tmp_path: Path) -> None:
    refs, data = stages(tmp_path, "a cat")
    first, pooled = learned(refs, data, str(tmp_path))
    assert best_texts(pooled) == {f"u{n}": f"a cat u{n}" for n in range(N)}
    assert (first.stage, first.items, first.reused) == ("tune", N, False)
    assert learned(refs, data, str(tmp_path))[0] == first.model_copy(update={"reused": True})


def test_no_references_is_one_line(tmp_path: Path) -> None:
    refs, data = stages(tmp_path, None)
    with pytest.raises(DataError, match="tune: expected development utterances with references"):
        learned(refs, data, str(tmp_path))
