"""Several systems side by side: their pipelines are run as one, and each leaves a run of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from components.canonical import digest
from components.errors import AntiphonError
from components.pipeline.pipeline import DATA
from components.pipeline.rewriting import prefixes
from components.records import RunRecord, StageRef
from components.storage.stage_plan import content_of
from flows.running import Run
from flows.system import System
from reports.run_outputs import check
from tasks.union import execute_together


class _Loaded(NamedTuple):
    """A system whose data are there, and its run."""

    name: str
    system: System
    run: Run
    sets: dict[str, StageRef]

    @property
    def site(self) -> str:
        """What systems must have in common to be run as one pipeline."""
        languages = self.system.pipeline.languages
        return digest([content_of(self.sets[DATA]), *languages, self.system.parameters.seed])


def run_systems(systems: Mapping[str, System], within: Run) -> dict[str, RunRecord]:
    """The records of the systems that finish; what stops one is noted in ``within``, and the others go on.

    Stages that systems share are computed once, those that differ side by side.
    """
    finished: list[_Loaded] = []
    with ExitStack() as stack:
        runs = {name: stack.enter_context(Run(one.flow, one.parameters)) for name, one in systems.items()}
        loaded = []
        for name, system in systems.items():
            with _noting(name, runs[name], within):
                loaded.append(_Loaded(name, system, runs[name], system.load(runs[name])))
        for site in dict.fromkeys(one.site for one in loaded):
            finished += _run_as_one([one for one in loaded if one.site == site], within)
    records = {one.name: one.run.record for one in finished if _is_comparable(one, within)}
    return {name: records[name] for name in systems if name in records}


def _run_as_one(group: Sequence[_Loaded], within: Run) -> list[_Loaded]:
    """Run the pipelines of systems as one; those that finish."""
    prefix = prefixes([one.name for one in group])
    executed = execute_together(
        {prefix[one.name]: one.system.pipeline for one in group},
        {prefix[one.name]: one.sets for one in group},
        within.store_url,
        group[0].system.parameters.seed,
    )
    finished = []
    for one in group:
        with _noting(one.name, one.run, within):
            one.system.finish(one.run, executed[prefix[one.name]])
            finished.append(one)
    return finished


def _is_comparable(system: _Loaded, within: Run) -> bool:
    try:
        check(system.run.record)
    except AntiphonError as error:
        _note(system.name, error, within)
        return False
    return True


@contextmanager
def _noting(name: str, run: Run, within: Run) -> Iterator[None]:
    """What stops a system stops no other: it is noted in its run and in that which compares them."""
    try:
        yield
    except Exception as error:
        run.fail(error)
        _note(name, error, within)


def _note(name: str, error: Exception, within: Run) -> None:
    within.notes.append(f"system {name} failed: {error}")
    within.failures += 1
