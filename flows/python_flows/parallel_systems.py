"""Several systems side by side: their pipelines run as one graph, and each leaves a run of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from components.comparison.comparable_runs import check_comparable
from components.errors import AntiphonError
from components.files.canonical_json import digest_of
from components.pipeline.pipeline import DATA
from components.pipeline.rewriting import make_prefixes
from components.run_record import RunRecord, StageRef
from components.storage.stages.stage_plan import content_of
from flows.run import Run
from flows.system import System, record_progress
from tasks.execution.executor import PipelineResult
from tasks.execution.joint_execution import execute_together


class _LoadedSystem(NamedTuple):
    """A system whose data sets are loaded, and its run."""

    name: str
    system: System
    run: Run
    sets: dict[str, StageRef]

    @property
    def context_digest(self) -> str:
        """Digest of what systems must share to run as one graph: data, languages, seed."""
        languages = self.system.pipeline.languages
        return digest_of([content_of(self.sets[DATA]), *languages, self.system.parameters.seed])


def run_systems(systems: Mapping[str, System], within: Run) -> dict[str, RunRecord]:
    """Run several systems; stages that they share are computed once, the others side by side.

    Args:
        systems: name -> what to run.
        within: the run of the comparison; the failure of a system is noted there, and the others go on.

    Returns:
        Name -> record of each system that finished with comparable outputs.
    """
    finished: list[_LoadedSystem] = []
    with ExitStack() as stack:
        runs = {
            name: stack.enter_context(Run(member.flow, member.parameters, name))
            for name, member in systems.items()
        }
        loaded = []
        for name, system in systems.items():
            with _isolate_failure(name, runs[name], within):
                loaded.append(_LoadedSystem(name, system, runs[name], system.load(runs[name])))
        for context in dict.fromkeys(member.context_digest for member in loaded):
            finished += _run_as_one([member for member in loaded if member.context_digest == context], within)
    records = {member.name: member.run.record for member in finished if _is_comparable(member, within)}
    return {name: records[name] for name in systems if name in records}


def _run_as_one(group: Sequence[_LoadedSystem], within: Run) -> list[_LoadedSystem]:
    """Run the pipelines of systems as one graph; returns the systems that finish."""
    prefix = make_prefixes([member.name for member in group])

    def observe(executed: Mapping[str, PipelineResult]) -> None:
        for member in group:
            record_progress(member.run, executed[prefix[member.name]])
        within.record_pause({name for result in executed.values() for name in result.asking})

    executed = execute_together(
        {prefix[member.name]: member.system.pipeline for member in group},
        {prefix[member.name]: member.sets for member in group},
        within.store_url,
        group[0].system.parameters.seed,
        observe,
    )
    finished = []
    for member in group:
        with _isolate_failure(member.name, member.run, within):
            member.system.finish(member.run, executed[prefix[member.name]])
            finished.append(member)
    return finished


def _is_comparable(system: _LoadedSystem, within: Run) -> bool:
    try:
        check_comparable(system.run.record)
    except AntiphonError as error:
        _record_failure(system.name, error, within)
        return False
    return True


@contextmanager
def _isolate_failure(name: str, run: Run, within: Run) -> Iterator[None]:
    """Note an error of a system in its run and in that of the comparison, instead of raising it."""
    try:
        yield
    except Exception as error:
        run.record_failure(error)
        _record_failure(name, error, within)


def _record_failure(name: str, error: Exception, within: Run) -> None:
    within.notes.append(f"system {name} failed: {error}")
    within.failures += 1
