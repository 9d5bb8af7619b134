"""What every flow does around its stages: names the run, gathers what was done, leaves a record."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Collection
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, cast

from prefect.client.schemas.objects import State
from prefect.exceptions import Pause, TerminationSignal
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed

from components.errors import AntiphonError
from components.files.files import utc_now
from components.metrics.normalizers import BY_LANGUAGE
from components.pipeline.reuse.equivalent_reuse import use_reuse
from components.run_record import PipelineRecord, RunRecord, Score, StageRef
from components.storage.runs.baseline_run import refuse_accepted
from components.storage.stages.stage_plan import library_versions
from components.storage.store import Store, check_run_name
from flows import signals
from flows.parameters.base import FlowParameters
from flows.server.ephemeral_server import describe_lost_server
from tasks.engines.engine import use_engine
from tasks.task_options import unwrap

if not PREFECT_API_URL.value():  # it imports Prefect's server, a second and a half, which others need not
    import flows.server.guarded_server  # noqa: F401 - registers the server that Prefect will start

LIBRARIES = ("antiphon", "torch", "transformers", "openai-whisper", "prefect", "sacrebleu", "jiwer")


class Run:
    """A run of a flow, the only one of its name at a time.

    As a context manager it writes ``run.json`` at its end, also when the flow fails.

    Attributes:
        label: the name of the system that it is of, in a comparison.
        stages: finished stages by the names of their nodes.
        pipeline: the graph, with what became of each node.
        systems: of a comparison, system -> the name of its run.
        failures: parts that failed while the rest went on.
    """

    def __init__(self, flow: str, parameters: FlowParameters, label: str = "") -> None:
        self.flow = flow
        self.label = label
        self.parameters = parameters
        self.store_url = parameters.store
        self.store = Store(parameters.store)
        self._resources = ExitStack()
        if parameters.replace and parameters.name is not None:
            refuse_accepted(self.store, check_run_name(parameters.name), "take another name")
        claimed = self.store.claim_run(
            parameters.run_title or flow, parameters.name, replace=parameters.replace
        )
        self.path = self._resources.enter_context(claimed)
        self.name = self.path.name
        self.stages: dict[str, StageRef] = {}
        self.pipeline = PipelineRecord()
        self.systems: dict[str, str] = {}  # of a comparison: system -> its run
        self.metrics: dict[str, Score] = {}
        self.notes: list[str] = []
        self.seen_data: list[str] = []
        self.failures = 0  # parts that failed while the rest went on
        self._started_at = utc_now()
        self._status: str | None = None
        self._is_paused = False

    def add(self, returned: StageRef | State[StageRef], name: str | None = None) -> StageRef:
        """Register a finished stage and return it.

        Args:
            returned: the reference, or the state in which a task returned it.
            name: of the node; the stage's own if None.
        """
        ref = cast("StageRef", unwrap(returned))
        self.stages[name or ref.stage] = ref = ref.model_copy(update={"stage": name or ref.stage})
        return ref

    def has_stage(self, ref: StageRef) -> bool:
        """Return whether this very stage is registered under its name."""
        return ref.stage in self.stages and self.stages[ref.stage].key == ref.key

    @property
    def normalizer(self) -> str:
        """That its transcripts are counted under."""
        return str(getattr(self.parameters, "normalizer", BY_LANGUAGE))

    @property
    def quarantined(self) -> int:
        """Number of records that were quarantined, over all stages."""
        return sum(ref.quarantined for ref in self.stages.values())

    @property
    def record(self) -> RunRecord:
        """The run so far, as ``run.json`` will hold it."""
        status = "completed with quarantine" if self.quarantined or self.failures else "completed"
        bad = [ref for ref in self.stages.values() if ref.quarantined]
        warnings = [
            f"{ref.quarantined} of {ref.items} records quarantined in stage {ref.stage}" for ref in bad
        ]
        values: dict[str, Any] = {
            "name": self.name,
            "flow": self.flow,
            "status": self._status or status,
            "parameters": self.parameters.model_dump(mode="json"),
            "stages": tuple(self.stages.values()),
            "pipeline": self.pipeline,
            "systems": self.systems,
            "metrics": self.metrics,
            "started": self._started_at,
            "finished": utc_now(),
            "versions": library_versions(LIBRARIES),
            "seen_data": tuple(self.seen_data),
            "notes": tuple(dict.fromkeys((*warnings, *self.notes))),  # a copy has warnings already
        }
        return RunRecord.model_validate(values)

    def __enter__(self) -> Run:
        with self._resources as resources:  # released where the engine is refused
            resources.enter_context(signals.limit_time_after_sigterm())
            resources.enter_context(use_engine(getattr(self.parameters, "engine", None)))
            resources.enter_context(use_reuse(getattr(self.parameters, "reuse", "exact")))
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.store.save_run(self.record)
            else:
                self._save_failure(error)
        finally:
            self._resources.__exit__(kind, error, trace)

    def record_failure(self, error: BaseException) -> None:
        """Set status and note of a run that an error ended."""
        self._status, note = _failure_status(error)
        self.notes.append(note)

    def record_pause(self, asking: Collection[str]) -> None:
        """Leave a record while nodes wait for a person's answers, and none once they have them."""
        with suppress(AntiphonError, OSError):  # a full disk, say, must not end the run
            if asking:
                names = ", ".join(sorted(asking))
                note = f"{names}: waits for a person, who answers in this run's page in Prefect"
                update = {"status": "paused", "notes": (*self.record.notes, note)}
                self.store.save_run(self.record.model_copy(update=update))
            elif self._is_paused:
                self.store.withdraw_record(self.name)
        self._is_paused = bool(asking)

    def _save_failure(self, error: BaseException) -> None:
        self.record_failure(error)
        # A full disk, say, must not hide the error itself.
        with suppress(AntiphonError, OSError):
            self.store.save_run(self.record)
        if isinstance(error, TerminationSignal):
            signals.confirm_cancellation()


def _failure_status(error: BaseException) -> tuple[str, str]:
    """Return status and note of a run that ``error`` ended."""
    if isinstance(error, TerminationSignal | KeyboardInterrupt):
        return "cancelled", "stopped; finished shards are kept: run it again to go on"
    if isinstance(error, Pause):
        return "suspended", "suspended; finished shards are kept: resume it to go on"
    if isinstance(error, AntiphonError):
        return "failed", str(error)
    if isinstance(error, CancelledError | SystemExit):  # a worker that died closes what its runs log to
        note = "ended by Prefect or its worker, whose log says why; finished shards are kept: run it again"
        return "cancelled", note
    return "failed", describe_lost_server(error) or f"{type(error).__name__}: {error}".removesuffix(": ")


def final_state(record: RunRecord) -> RunRecord | State[RunRecord]:
    """What a flow returns: its record, in the state CompletedWithQuarantine if records were quarantined."""
    if record.status == "completed":
        return record
    return Completed(name="CompletedWithQuarantine", message="; ".join(record.notes), data=record)
