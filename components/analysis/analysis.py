"""An analysis: what is found out about finished stages, how it is computed, kept and told.

A family brings one by a class and an entry of the group ``antiphon.analyses``, whose name is the kind of the
stage that keeps the result. Page, terminal, Prefect and the command line know analyses by that name alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from components.analysis.table import Column, Sentence, Table
from components.errors import ConfigError, StoreError
from components.extensions import Extensions
from components.files.files import read_json, read_lines, write_json
from components.files.json_text import parse_json
from components.pipeline.pipeline import Pipeline
from components.records import Record
from components.run_record import RunRecord, Score, StageRef
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.whole_stage import TABLES, StageFiles, compute_once
from components.storage.store import Store

VALUES = "utterances.jsonl"
"""File of a stage with the numbers of each utterance, a line each."""
R = TypeVar("R", bound=Record)
Q = TypeVar("Q")


class Numbers(NamedTuple):
    """Numbers of utterances, by which their list is sorted and filtered.

    Attributes:
        columns: that have a place in the list.
        values: utterance id -> name -> number.
    """

    columns: Sequence[Column] = ()
    values: Mapping[str, Mapping[str, float]] = {}


class Event(NamedTuple):
    """What an analysis tells Prefect, whose automations may wait for it.

    Attributes:
        event: its name.
        about: what it is about, such as ``system.NAME``.
        name: of that, for people.
        payload: further facts.
    """

    event: str
    about: str
    name: str
    payload: dict[str, Any]


class Result(ABC, Generic[R]):
    """What a stage of a kind found out: how it is read and told.

    Attributes:
        kind: of the stage.
        record: the class of what was found out.
        file: in which the stage keeps it.
        noun: what it is, for messages.
        remedy: what to do where another version of Antiphon has written it.
    """

    kind: ClassVar[str]
    record: ClassVar[type[Record]]
    file: ClassVar[str]
    noun: ClassVar[str] = "a result"
    remedy: ClassVar[str] = "run it again"

    @abstractmethod
    def tables(self, findings: R) -> list[Table]:
        """Return what was found out as tables."""

    def verdict(self, findings: R) -> list[Sentence]:
        """Return the sentences that stand first: on the page, in the terminal, in Prefect and in Python."""
        return []

    def scores(self, findings: R) -> Mapping[str, Score]:
        """Return the scores that join those of the run, by name."""
        return {}

    def numbers(self, ref: StageRef, findings: R) -> Numbers:
        """Return what is known of each utterance."""
        return Numbers()

    def warnings(self, findings: R) -> list[str]:
        """Return what was left out, for the log."""
        return []

    def events(self, findings: R) -> list[Event]:
        """Return what Prefect's automations may wait for."""
        return []

    def baseline(self, findings: R) -> str | None:
        """Return the system that other systems are compared with; None where it compares none."""
        return None

    def read(self, ref: StageRef) -> R:
        """Read what a stage found out.

        Raises:
            StoreError: another version of Antiphon wrote it.
        """
        path = Path(ref.path) / self.file
        try:
            return self.record.model_validate(read_json(path))  # type: ignore[return-value]
        except ValidationError as error:
            raise StoreError(
                f"{path}: expected {self.noun} of this version of Antiphon, found one of another "
                f"({error.error_count()} fields differ); {self.remedy}"
            ) from error


class Computed(NamedTuple, Generic[R]):
    """What an analysis has computed.

    Attributes:
        findings: what was found out.
        items: how many utterances or models it stands for.
        files: further ones that it left in the folder of its stage.
    """

    findings: R
    items: int
    files: Sequence[str] = ()


class Analysis(Result[R], Generic[Q, R]):
    """An analysis that is computed, from a request, as a stage of its own."""

    @abstractmethod
    def plan(self, request: Q, store: Store) -> StagePlan:
        """Return all that decides what is found out."""

    @abstractmethod
    def compute(self, request: Q, store: Store, folder: Path) -> Computed[R]:
        """Find it out; further files go into the folder of the stage."""

    def device(self, request: Q) -> str | None:
        """Return the device that it computes on alone (auto, cpu, cuda:0 ...); None: on none."""
        return None

    def request_of(self, run: RunRecord, pipeline: Pipeline, store: Store, normalizer: str) -> Q | None:
        """Return what is found out about a run that has just been scored; None: nothing.

        A node whose runs get the analysis names it in its facts (``analyses``).

        Args:
            run: so far.
            pipeline: its graph.
            store: where.
            normalizer: that transcripts are counted under.
        """
        return None

    def run(
        self,
        request: Q,
        store: Store,
        hold: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> StageRef:
        """Compute it, or return the stage that has it.

        Args:
            request: what is analyzed.
            store: where.
            hold: holds a device while it is computed on.
        """

        def work(folder: Path) -> StageFiles:
            device = self.device(request)
            with nullcontext() if device is None else hold(device):
                computed = self.compute(request, store, folder)
            write_json(folder / self.file, computed.findings.model_dump(mode="json"))
            tables = [table.to_json() for table in self.tables(computed.findings)]
            write_json(folder / TABLES, {"tables": tables})
            return StageFiles([self.file, TABLES, *computed.files], items=computed.items)

        return compute_once(store, self.plan(request, store), work)


def _accept_result(name: str, value: str, extension: Any) -> Result[Any]:
    if not isinstance(extension, Result) or extension.kind != name:
        raise ConfigError(f"expected an object of Result or Analysis with kind {name!r}, found {value}")
    return extension


ANALYSES: Extensions[Result[Any]] = Extensions("antiphon.analyses", "analysis", _accept_result)
"""Kind of stage -> what shows it, and what computes it."""


def analysis_named(kind: str) -> Analysis[Any, Any]:
    """Return the analysis of a kind.

    Raises:
        ConfigError: nothing that is installed computes it.
    """
    analysis = ANALYSES.get(kind)
    if not isinstance(analysis, Analysis):
        known = ", ".join(ANALYSES)
        raise ConfigError(f"expected an analysis that is computed, one of {known}, found {kind!r}")
    return analysis


def read_numbers(ref: StageRef) -> dict[str, dict[str, float]]:
    """Read the numbers of each utterance that a stage keeps: utterance id -> name -> number."""
    numbers = {}
    for line in read_lines(Path(ref.path) / VALUES):
        entry = parse_json(line)
        numbers[entry.pop("id")] = entry
    return numbers


def results_of(stages: Sequence[StageRef]) -> list[tuple[StageRef, Result[Any]]]:
    """Return the stages that an analysis has left, in their order, each with what shows it."""
    return [(ref, result) for ref in stages if (result := ANALYSES.get(ref.kind)) is not None]
