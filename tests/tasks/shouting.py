"""A stage whose component upper-cases, and notes which process computed what and which loaded its 'model'."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from prefect import flow, task
from prefect.futures import PrefectFuture

from components.records import Hypothesis, NBest, Outcome, StageRef, Utterance
from components.storage.stage_plan import StagePlan
from components.storage.store import Store
from tasks.options import NOT_STORED
from tasks.shards import Shard, compute, run_shards


def _note(calls: str, line: str) -> None:
    with Path(calls).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


@lru_cache(maxsize=1)
def _model(calls: str) -> str:
    _note(calls, f"load {os.getpid()}")
    return "loud"


@task(name="shout shard", **NOT_STORED)
def shout_shard(payload: str, calls: str) -> Shard:
    def shout(utterances: Sequence[Utterance]) -> list[Outcome]:
        system = _model(calls)
        _note(calls, f"shard {os.getpid()}")
        time.sleep(0.2)  # so that one worker alone does not take every shard
        return [
            NBest(
                utterance_id=u.id,
                hypotheses=(Hypothesis(text=str(u.text).upper(), score=-1.0, n_tokens=1, system=system),),
            )
            for u in utterances
        ]

    return compute("mt", payload, shout)


@flow(name="shouting", persist_result=False)
def shouting(
    store: str, calls: str, device: str = "cpu", before: Callable[[int], object] | None = None
) -> StageRef:
    """``before`` is called with its number when a shard is submitted."""

    def submit(payload: str, shard: int) -> PrefectFuture[Shard]:
        if before is not None:
            before(shard)
        return shout_shard.submit(payload, calls)

    utterances = [Utterance(id=f"u{n}", text=f"dog {n}", source_language="en") for n in range(70)]
    plan = StagePlan(stage="mt", version="shouting/1", parameters={"device": device}, shard_size=7)
    return run_shards(
        Store(store),
        plan,
        lambda: iter(utterances),
        70,
        submit,
    )
