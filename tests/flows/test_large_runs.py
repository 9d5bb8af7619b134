"""A run of more utterances than its page shows: who parses what, and what the page says."""

from __future__ import annotations

import html
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import BaseModel

from antiphon import run_pipeline
from components.analysis.measuring import overview
from components.export import beside_report
from components.run_record import RunRecord
from components.storage.store import Store
from flows.cli.look.inspect import _print_inspection
from reports.page import sample
from tasks import artifacts
from tasks.execution import current_node
from tasks.stages import metrics

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
ROWS, SHOWN, EXAMPLES = 90, 6, 2
WORKERS = ("tasks.engines.local.compute_shard", "components.analysis.measuring.worker.measure_shard")
"""What computes shards, here or in another process."""
STEPS = """
def translate(record):
    words = record["text"].split()
    return " ".join(words[: len(words) - int(record["id"][1:]) % 4])

def ratio(record):
    return len(record["text"]) / len(record["source"])

def copy(record):
    return record["text"]
"""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a set of 90 be large."""
    for module in (sample, metrics, beside_report):
        monkeypatch.setattr(module, "LARGE", 20)
    for module in (sample, overview):
        monkeypatch.setattr(module, "SHOWN", SHOWN)
    for module in (artifacts, current_node):
        monkeypatch.setattr(module, "MAX_EXAMPLES", EXAMPLES)


@contextmanager
def count_parses() -> Iterator[Counter[str]]:
    """Count the records of data sets and nodes that this process parses, but for a worker's."""
    counts: Counter[str] = Counter()
    at_work: set[int] = set()
    parse = BaseModel.model_validate_json.__func__  # type: ignore[attr-defined]

    def counting(cls: type[BaseModel], *args: Any, **options: Any) -> Any:
        worker = "worker: " if threading.get_ident() in at_work else ""
        counts[f"{worker}{cls.__name__}"] += 1
        return parse(cls, *args, **options)

    def working(compute: Callable[..., Any]) -> Callable[..., Any]:
        def work(*args: Any, **options: Any) -> Any:
            at_work.add(threading.get_ident())
            try:
                return compute(*args, **options)
            finally:
                at_work.discard(threading.get_ident())

        return work

    with ExitStack() as patches:
        patches.enter_context(patch.object(BaseModel, "model_validate_json", classmethod(counting)))
        for name in WORKERS:
            module, _, function = name.rpartition(".")
            compute = getattr(import_module(module), function)
            patches.enter_context(patch(name, working(compute)))
        yield counts


def run(folder: Path) -> RunRecord:
    rows = [
        {"id": f"u{n}", "text": f"eins zwei drei vier {n}", "references": {"de": f"eins zwei drei vier {n}"}}
        for n in range(ROWS)
    ]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "steps.py").write_text(STEPS)
    own = {"kind": "python", "file": str(folder / "steps.py")}
    nodes = {
        "mt": {**own, "function": "translate", "of": "data", "to": "target"},
        "ratio": {**own, "function": "ratio", "of": "mt", "output": "table"},
        "odd": {"kind": "route", "of": "ratio", "by": "value", "below": 0.6},
        "again": {**own, "function": "copy", "of": "data", "to": "target", "when": "odd.escalate"},
        "final": {"kind": "select", "of": ["again", "mt"]},
    }
    graph = {"nodes": nodes, "outputs": {"translation": "final"}}
    return run_pipeline(
        graph,
        data=str(folder / "rows.jsonl"),
        store=str(folder / "store"),
        source_language="en",
        target_language="de",
    ).record


def test_the_driver_parses_no_record_but_those_that_are_shown(
    tmp_path: Path, few: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with count_parses() as counts:
        record = run(tmp_path)
    texts = 3  # nodes
    assert counts["Utterance"] <= SHOWN + EXAMPLES * texts
    assert counts["NBest"] <= SHOWN * texts + 2 * EXAMPLES * texts
    assert counts["Route"] <= 2 * SHOWN
    store = Store(str(tmp_path / "store"))
    folder = store.run_folder(record.name)
    page = html.unescape(re.sub(r"<[^>]+>", " ", (folder / "report.html").read_text()))
    assert f"{SHOWN} of {ROWS} utterances: the worst by chrF2." in page
    assert record.metrics["chrf"].n == ROWS
    (text,) = next(o for ref in record.stages if (o := overview.read_overview(Path(ref.path)))).texts
    assert len(text.worst) == SHOWN and all(f'"{key}"' in page for key in text.worst)
    table = (folder / "texts" / "final.tsv").read_text().splitlines()
    assert len(table) == ROWS + 1 and table[1].startswith("u0\teins zwei drei vier 0\t")
    with count_parses() as counts:
        _print_inspection(record.name, None, "u77", str(tmp_path / "store"))
    assert "u77" in capsys.readouterr().out
    assert counts["Utterance"] == 1 and counts["NBest"] <= texts
