"""A node whose function upper-cases, and notes in which process and on which card it ran and was loaded."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from components.pipeline.pipeline import DATA
from components.pipeline.reader import read_pipeline
from components.records import Utterance
from components.run_record import StageRef
from components.storage.store import Store
from tasks.execution.executor import execute
from tests.components.storage.written import written

CODE = """
import os, time

def note(line):
    with open(os.environ["SHOUT_CALLS"], "a", encoding="utf-8") as file:
        file.write(f"{line} {os.getpid()}/{os.environ.get('CUDA_VISIBLE_DEVICES', '')}\\n")

note("load")

def shout(records):
    note("shard")
    time.sleep(0.2)  # so that one worker alone does not take every shard
    return [record["text"].upper() for record in records]
"""


def data_of(store: str) -> StageRef:
    """320 texts: ten shards."""
    ids = [f"u{n}" for n in range(320)]
    texts = [Utterance(id=key, text=f"dog {key}", source_language="en") for key in ids]
    return written(Store(store), "data", texts, size=32)


@flow(name="shouting", persist_result=False)
def shouting(folder: str) -> StageRef:
    """The stage of the node, over a store in ``folder``; its function notes into SHOUT_CALLS."""
    code = Path(folder) / "steps.py"
    code.write_text(CODE)
    store = str(Path(folder) / "store")
    nodes = {"shout": {"kind": "python", "file": str(code), "function": "shout", "batch": True, "of": DATA}}
    executed = execute(read_pipeline({"nodes": nodes}), {DATA: data_of(store)}, store, 0)
    executed.raise_first_error()
    return executed.stages["shout"]
