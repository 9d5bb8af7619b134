"""The executor: nodes follow each other shard by shard, fail alone, resume inside, and are never stale."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect import _flow_run_suspension as suspension
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.context import FlowRunContext
from prefect.exceptions import Pause, TerminationSignal
from prefect.states import Failed, Suspended

from components.errors import ComponentError
from components.files.files import utc_now
from components.nodes.kind import KINDS
from components.nodes.questions import Answers, Question
from components.pipeline import planning
from components.pipeline.pipeline import DATA
from components.pipeline.reading.reader import read_pipeline
from components.records import Utterance
from components.run_record import StageRef
from components.storage.shards.shard import shard_name
from components.storage.stages.reader import read_best_texts, read_shards
from components.storage.store import Store
from reports.terminal.node_progress import NodeProgress
from tasks.engines.run_coordinator import HaltedError, RunCoordinator
from tasks.execution import executor, reviewing
from tasks.execution.executor import PipelineResult, execute
from tasks.execution.joint_execution import execute_together
from tasks.progress import show_on
from tests.components.storage.written import written
from tests.tasks.engines.ray_double import ray_double
from tests.tasks.kinds import FAKES

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
ITEMS, SHARDS = 160, 5


@pytest.fixture(autouse=True)
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in FAKES.items():
        monkeypatch.setitem(KINDS, name, kind)


class Bench:
    """A data set of 160 texts, a store, and the log of what was computed."""

    def __init__(self, folder: Path, ids: list[str] | None = None) -> None:
        self.store = str(folder / "store")
        self.log = folder / "calls"
        self.observed: list[PipelineResult] = []
        folder.mkdir(exist_ok=True)
        ids = ids or [f"bad{n}" if n % 50 == 7 else f"u{n}" for n in range(ITEMS)]
        texts = [Utterance(id=key, text=key, source_language="en") for key in ids]
        self.data = written(Store(self.store), "data", texts, size=ITEMS // SHARDS)

    def run(self, nodes: dict[str, dict[str, Any]]) -> PipelineResult:
        def calling(values: dict[str, Any]) -> dict[str, Any]:
            kind = {"kind": "shout", **values}
            return {**kind, "calls": str(self.log)} if kind["kind"] in FAKES else kind

        @flow(name="graph", persist_result=False)
        def graph() -> PipelineResult:
            pipeline = read_pipeline({"nodes": {name: calling(values) for name, values in nodes.items()}})
            return execute(pipeline, {DATA: self.data}, self.store, 0, self.observed.append)

        return graph()

    def calls(self) -> list[str]:
        return self.log.read_text().split("\n")[:-1] if self.log.exists() else []

    def count(self) -> Counter[str]:
        return Counter(line.partition(" ")[0] for line in self.calls())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)


def lose(ref: StageRef) -> None:
    """Lose a stage and its shards."""
    for shard in read_shards(ref):
        (Path(ref.path).parents[1] / shard_name(shard.key)).unlink()
    shutil.rmtree(ref.path)


def test_nodes_follow_each_other_and_are_reused(bench: Bench) -> None:
    """A shard is read as soon as it is written; what is quarantined goes no further; whole nodes wait."""
    nodes: dict[str, dict[str, Any]] = {
        "a": {"of": DATA, "seconds": 0.15},
        "b": {"of": "a", "mark": "?", "seconds": 0.15},
        "n": {"kind": "count", "of": "b"},
    }
    executed = bench.run(nodes)
    assert executed.statuses == {"a": "computed", "b": "computed", "n": "computed"}
    order = bench.calls()
    assert order.index("b u0") < order.index("a u128")  # while the first is still at work
    assert order[-1] == "n whole"
    texts = read_best_texts(executed.stages["b"])
    assert len(texts) == ITEMS - 4
    assert texts["u0"] == "u0!?"
    assert executed.stages["a"].quarantined == 4
    assert executed.stages["b"].items == ITEMS - 4
    assert (Path(executed.stages["n"].path) / "count.txt").read_text() == str(ITEMS - 4)

    again = bench.run(nodes)
    assert set(again.statuses.values()) == {"reused"}
    assert {n: r.sha256 for n, r in again.stages.items()} == {n: r.sha256 for n, r in executed.stages.items()}
    assert bench.count() == {"a": SHARDS, "b": SHARDS, "n": 1}


def test_stages_of_a_finished_run_do_not_stand_for_nodes_that_are_computed_again(bench: Bench) -> None:
    """Rewritten pipelines get the stages of their run; only its data sets are read as such."""
    finished = bench.run({"a": {"of": DATA}})

    @flow(name="graph", persist_result=False)
    def graph() -> dict[str, PipelineResult]:
        shout = {"kind": "shout", "calls": str(bench.log)}
        nodes = {"a": {"of": DATA, "mark": "?", **shout}, "b": {"of": "a", **shout}}
        sets = {DATA: bench.data, **finished.stages}
        return execute_together({"": read_pipeline({"nodes": nodes})}, {"": sets}, bench.store, 0)

    assert graph()[""].statuses == {"a": "computed", "b": "computed"}


def test_a_failing_branch_ends_alone(bench: Bench) -> None:
    executed = bench.run(
        {
            "bad": {"of": DATA, "fails": True, "mark": "#"},
            "below": {"of": "bad", "mark": "?"},
            "good": {"of": DATA},
        }
    )
    assert executed.statuses == {"bad": "failed", "below": "blocked", "good": "computed"}
    assert list(executed.stages) == ["good"]
    with pytest.raises(
        ComponentError, match=r"^bad: expected .* compute u32 to u63, found RuntimeError: no voice"
    ):
        executed.raise_first_error()
    # The shard that landed is kept, and read again by whoever goes on.
    bench.run({"bad": {"of": DATA, "mark": "#"}})
    assert bench.calls().count("bad u0") == 1


def test_nodes_of_one_key_are_computed_once_and_names_are_their_own(bench: Bench) -> None:
    executed = bench.run({"a": {"of": DATA}, "twin": {"of": DATA}, "b": {"of": "twin", "mark": "?"}})
    assert bench.count() == {"a": SHARDS, "b": SHARDS}
    assert executed.stages["twin"].key == executed.stages["a"].key
    assert [ref.stage for ref in executed.stages.values()] == ["a", "twin", "b"]


def test_a_stage_that_was_computed_from_other_bytes_is_stale(bench: Bench) -> None:
    """The one above was lost and came out differently: the one below is not reused."""
    nodes: dict[str, dict[str, Any]] = {"a": {"of": DATA}, "b": {"of": "a", "mark": "?"}}
    first = bench.run(nodes)
    lose(first.stages["a"])
    with pytest.MonkeyPatch.context() as patch:
        build = FAKES["shout"].build

        def louder(settings: Any, context: Any) -> Any:
            return build(settings.model_copy(update={"mark": "!!"} if context.name == "a" else {}), context)

        patch.setattr(
            type(FAKES["shout"]), "build", lambda self, settings, context: louder(settings, context)
        )
        again = bench.run(nodes)
    assert again.stages["a"].key == first.stages["a"].key
    assert again.statuses == {"a": "computed", "b": "computed"}
    assert read_best_texts(again.stages["b"])["u0"] == "u0!!?"


def test_one_lane_computes_one_shard_at_a_time_and_what_is_downstream_goes_first(bench: Bench) -> None:
    bench.run(
        {
            "a": {"of": DATA, "own_lane": False, "seconds": 0.05},
            "b": {"of": "a", "own_lane": False, "mark": "?", "seconds": 0.05},
        }
    )
    ahead = [0]
    for line in bench.calls():
        ahead.append(ahead[-1] + (1 if line[0] == "a" else -1))
    assert max(ahead) <= 2  # the first never runs away from the second


@contextmanager
def stopped_by(stop: Callable[[], None]) -> Iterator[None]:
    """Within the block a thread stops the run."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Prefect hands the signal on
    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        yield
    finally:
        stopper.join()
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("how", ["suspended", "terminated"])
def test_a_run_that_is_stopped_keeps_the_shard_at_work_of_every_node(how: str, bench: Bench) -> None:
    """And begins nothing after it; the next run goes on behind it, inside each node."""
    straight = Bench(Path(bench.store).parent / "straight")
    nodes: dict[str, dict[str, Any]] = {
        "a": {"of": DATA, "seconds": 0.3},
        "b": {"of": "a", "mark": "?", "seconds": 0.3},
    }

    def stop() -> None:
        while len(bench.calls()) < 4:
            time.sleep(0.01)
        if how == "terminated":
            os.kill(os.getpid(), signal.SIGTERM)
        else:  # as Prefect's observer of the flow run does
            (run,) = suspension._active_flow_run_suspension_requests
            suspension.mark_flow_run_suspension_requested(run, Suspended())

    with stopped_by(stop), pytest.raises(Pause if how == "suspended" else TerminationSignal):
        bench.run(nodes)
    begun = bench.count()
    assert 0 < begun["a"] < SHARDS
    executed, expected = bench.run(nodes), straight.run(nodes)
    assert bench.count() == {"a": SHARDS, "b": SHARDS}
    for name in nodes:
        assert executed.stages[name].sha256 == expected.stages[name].sha256


def test_what_was_computed_before_a_stop_is_told(bench: Bench) -> None:
    def stop() -> None:
        while (calls := bench.count())["a"] < SHARDS or not calls["b"]:
            time.sleep(0.01)
        time.sleep(0.5)  # until the last shard of the first has landed
        os.kill(os.getpid(), signal.SIGTERM)

    with stopped_by(stop), pytest.raises(TerminationSignal):
        bench.run({"a": {"of": DATA}, "b": {"of": "a", "mark": "?", "seconds": 0.8}})
    (told,) = bench.observed
    assert (told.statuses, told.stages.keys(), told.errors) == ({"a": "computed", "b": "planned"}, {"a"}, {})


def test_what_was_computed_before_a_person_is_asked_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(node: str, questions: Sequence[Question], hours: float) -> Answers:
        while not bench.observed:
            time.sleep(0.05)
        return Answers({asked.utterance_id: "by hand" for asked in questions}, "Ann", utc_now(), "a test")

    monkeypatch.setattr(reviewing, "ask", answer)
    monkeypatch.setattr(reviewing, "is_attended", lambda: True)
    executed = bench.run({"a": {"of": DATA}, "checked": {"kind": "edit_by_reviewer", "of": "a", "worst": 1}})
    told = bench.observed[0]
    assert told.asking == {"checked-answers"}
    assert told.statuses == {"a": "computed", "checked-answers": "planned", "checked": "planned"}
    assert executed.asking == frozenset()
    assert "by hand" in read_best_texts(executed.stages["checked"]).values()


GROW = """
def grow(record):
    rank = int(record["id"].lstrip("ubad")) % 3
    return record["text"] + "!" * (record["text"].count("!") <= rank)
"""


def test_an_utterance_leaves_a_loop_when_it_stops(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every round keeps those that went through it; one for which nobody is left leaves no stage."""
    monkeypatch.setenv("ANTIPHON_ALLOW_CODE", "1")
    steps = bench.log.parent / "steps.py"
    steps.write_text(GROW)
    body = {"grown": {"kind": "python", "file": str(steps), "function": "grow", "of": "loop"}}
    nodes: dict[str, dict[str, Any]] = {
        "draft": {"of": DATA},
        "loop": {"kind": "loop", "of": "draft", "rounds": 4, "body": body},
        "below": {"of": "loop", "mark": "?"},
    }
    executed = bench.run(nodes)
    skipped = {"loop-4-grown", "loop-4"}
    assert {name for name, status in executed.statuses.items() if status == "skipped"} == skipped
    drafted = {key: int(key[1:]) % 3 for key in read_best_texts(executed.stages["draft"])}
    for number in (1, 2, 3):
        there = {key for key, rank in drafted.items() if rank >= number - 1}
        assert read_best_texts(executed.stages[f"loop-{number}"]).keys() == there
        assert read_best_texts(executed.stages[f"loop-{number}-grown"]).keys() == there
    assert read_best_texts(executed.stages["loop"]) == {
        k: k + "!" * (1 + rank) for k, rank in drafted.items()
    }
    assert read_best_texts(executed.stages["below"])["u2"] == "u2!!!?"
    again = bench.run(nodes)
    assert {status for name, status in again.statuses.items() if name not in skipped} == {"reused"}


def test_prefect_sees_a_task_for_each_node_with_the_edges_of_the_graph(bench: Bench) -> None:
    seen: list[Any] = []

    @flow(name="outer", persist_result=False)
    def outer() -> None:
        pipeline = read_pipeline(
            {
                "nodes": {
                    "a": {"kind": "shout", "of": DATA, "calls": str(bench.log)},
                    "b": {"kind": "shout", "of": "a", "mark": "?", "calls": str(bench.log)},
                }
            }
        )
        execute(pipeline, {DATA: bench.data}, bench.store, 0)
        context = FlowRunContext.get()
        seen.append(context.flow_run.id)

    outer()
    deadline = time.monotonic() + 20
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            of_run = FlowRunFilter(id=FlowRunFilterId(any_=[seen[0]]))
            runs = {one.name: one for one in client.read_task_runs(flow_run_filter=of_run)}
            if {"a", "b"} <= runs.keys():
                break
            time.sleep(0.2)
    edges = {one.id for one in runs["b"].task_inputs["name"]}  # type: ignore[union-attr]
    assert edges == {runs["a"].id}
    assert runs.keys() == {"a", "b"}  # shards are none


def test_a_task_that_never_began_is_an_error_of_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_task(**arguments: Any) -> Any:
        return arguments["state"]

    monkeypatch.setattr(executor, "run_task_sync", run_task)
    coordinator, ended = RunCoordinator(), threading.Event()
    run: Any = SimpleNamespace(node=SimpleNamespace(name="a"), coordinator=coordinator)
    executor._run_node(run, {"state": Failed(data=RuntimeError("no server"))}, ended)
    assert (ended.is_set(), coordinator.status) == (True, {"a": "failed"})
    assert str(coordinator.errors["a"]) == "no server"


def test_an_interrupted_run_waits_for_nothing() -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    coordinator = RunCoordinator()
    request = suspension.FlowRunSuspensionRequest()
    with pytest.raises(KeyboardInterrupt):
        executor._wait_for_nodes([Interrupted()], coordinator, request)
    assert coordinator.seconds_left <= 0
    with pytest.raises(HaltedError):
        coordinator.check_halted()


def test_shards_of_which_nothing_is_left_are_empty(tmp_path: Path) -> None:
    """Of the first and of a later one all is quarantined above: they are appended without being computed."""
    ids = [f"bad{n}" if n // 32 in (0, 2) else f"u{n}" for n in range(ITEMS)]
    bench = Bench(tmp_path, ids)
    executed = bench.run({"a": {"of": DATA}, "b": {"of": "a", "mark": "?"}})
    assert executed.statuses == {"a": "computed", "b": "computed"}
    assert list(read_best_texts(executed.stages["b"])) == [key for key in ids if key.startswith("u")]
    assert bench.count() == {"a": SHARDS, "b": SHARDS - 2}


def test_a_shard_that_landed_is_computed_again_where_what_it_read_has_changed(bench: Bench) -> None:
    """The node failed behind it; meanwhile the one above was lost and came out differently."""
    first = bench.run({"a": {"of": DATA}, "b": {"of": "a", "mark": "?", "fails": True}})
    assert first.statuses == {"a": "computed", "b": "failed"}
    lose(first.stages["a"])
    with pytest.MonkeyPatch.context() as patch:
        build = FAKES["shout"].build

        def louder(self: Any, settings: Any, context: Any) -> Any:
            return build(settings.model_copy(update={"mark": "!!"} if context.name == "a" else {}), context)

        patch.setattr(type(FAKES["shout"]), "build", louder)
        again = bench.run({"a": {"of": DATA}, "b": {"of": "a", "mark": "?"}})
    texts = read_best_texts(again.stages["b"])
    assert (len(texts), texts) == (ITEMS, {key: f"{key}!!?" for key in texts})
    assert bench.calls().count("b u0") == 2


def test_a_node_that_fails_leaves_its_lane_to_others(bench: Bench) -> None:
    shared = {"of": DATA, "own_lane": False}
    executed = bench.run({"bad": {**shared, "mark": "#", "fails": True}, "good": shared})
    assert executed.statuses == {"bad": "failed", "good": "computed"}


@pytest.mark.parametrize(("where", "look"), [(nullcontext, 2), (ray_double, 2), (ray_double, 3)])
def test_shards_that_another_run_stored_meanwhile_are_taken(
    where: Any, look: int, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the looks for a shard, of which the last is under the lock of computing it."""
    other = Bench(bench.log.parent / "other")
    other.run({"a": {"of": DATA}})
    find, looks = Store.find_shard, Counter[str]()

    def find_late(store: Store, key: str, *read: Any) -> Any:
        looks[key] += 1
        if store.root == Path(bench.store) and looks[key] == look:
            path = store.root / shard_name(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(other.store) / shard_name(key), path)
        return find(store, key, *read)

    monkeypatch.setattr(Store, "find_shard", find_late)
    shown: list[NodeProgress] = []
    with where(), show_on(SimpleNamespace(update=shown.append, end=shown.append)):  # type: ignore[arg-type]
        executed = bench.run({"a": {"of": DATA}})
    assert (len(read_best_texts(executed.stages["a"])), bench.calls()) == (ITEMS - 4, [])
    assert (shown[0].done, shown[0].resumed) == (ITEMS, ITEMS)  # they were not counted: 0 of 160


@pytest.mark.parametrize("where", [nullcontext, ray_double])
def test_an_equivalent_shard_that_is_gone_is_not_computed_in_its_place(
    where: Any, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other machines would take it for their own."""
    keys = [shard.key for shard in read_shards(bench.run({"a": {"of": DATA}}).stages["a"])]
    search = SimpleNamespace(choose_shards=lambda exact, alike: (keys, {}), find_stage=lambda plan: None)
    monkeypatch.setattr(planning, "find_equivalents", lambda store: search)
    monkeypatch.setattr(type(FAKES["shout"]), "version", "2")  # in the place of other numerics
    (Path(bench.store) / shard_name(keys[2])).unlink()
    with where():
        executed = bench.run({"a": {"of": DATA}})
    assert "expected an equivalent shard" in str(executed.errors["a"])
    assert not (Path(bench.store) / shard_name(keys[2])).exists()
