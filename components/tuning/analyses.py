"""The analyses ``study`` and ``confirmation``: a search over a pipeline, and its winner on unseen data."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import override

from components import metrics
from components.analysis.analysis import Analysis, Computed
from components.analysis.table import Sentence, Table
from components.files.canonical_json import digest_of
from components.files.files import write_bytes
from components.metrics.normalizers import BY_LANGUAGE, libraries_of_normalizer
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store
from components.tuning.confirmation import confirm_winner
from components.tuning.journal import StudyJournal
from components.tuning.objectives import Objective
from components.tuning.samplers import Searcher
from components.tuning.search import Evaluate, search
from components.tuning.study import Confirmation, ObjectiveRecord, Study, Try
from components.tuning.tables import (
    confirmation_table,
    describe_verdict,
    study_tables,
    summarize,
    try_rows,
)
from components.tuning.variables import SearchSpace

VERSION = "study/2"
JOURNAL, TRIES = "optuna.log", "tries.tsv"
LIBRARIES = ("optuna", "cmaes", "numpy")
SEARCHED_SHARE = 0.5
"""Of a budget, after which no further try begins; the rest is for computing the winner."""


@dataclass(frozen=True)
class SearchSettings:
    """How a search is done.

    Attributes:
        space: the variables.
        written: as the file has them.
        sampler: a row of ``SAMPLERS``.
        seed: of the sampler.
        tries: how many different pipelines.
        parallel: how many at once.
        tolerance: how much worse in the first objective the winner may be.
        reduction_factor: of successive halving.
        price_per_hour: of the machine.
        normalizer: that transcripts are counted under.
        budget: seconds for the search and for computing its winner; None: no limit.
    """

    space: SearchSpace
    written: Mapping[str, Any]
    sampler: str
    seed: int
    tries: int
    parallel: int
    tolerance: float
    reduction_factor: int
    price_per_hour: float | None = None
    normalizer: str = BY_LANGUAGE
    budget: float | None = None


@dataclass(frozen=True)
class StudyRequest:
    """A search.

    Attributes:
        settings: how it is done.
        objectives: what tries are worth.
        blocks: the data of each rung beyond that of the rung before.
        keys: of the pipeline as written and with single values of its variables, the digest of the keys of
            their stages, which hold all that decides outputs beside the settings.
        evaluate: computes tries together.
        watch: told each batch of tries that was computed, and how many an earlier attempt had.
        listed: tries that the result has whether or not there was time for them, with what is known of each.
    """

    settings: SearchSettings
    objectives: Sequence[Objective]
    blocks: Sequence[StageRef]
    keys: Mapping[str, str]
    evaluate: Evaluate
    watch: Callable[[Sequence[Try], int], None]
    listed: Sequence[Try] = ()

    @property
    def signs(self) -> list[int]:
        """1 for each objective of which more is better, else -1."""
        return [1 if objective.higher_is_better else -1 for objective in self.objectives]


class StudyAnalysis(Analysis[StudyRequest, Study]):
    """What a search over the settings of a pipeline found; one that was stopped goes on."""

    kind, file, record = "study", "study.json", Study
    noun, remedy = "a search", "tune again"

    @override
    def plan(self, request: StudyRequest, store: Store) -> StagePlan:
        settings = request.settings
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"{VERSION} metrics/{metrics.version}",
            parameters={
                "search": dict(settings.written),
                "objectives": [objective.name for objective in request.objectives],
                "sampler": settings.sampler,
                "tries": settings.tries,
                "parallel": settings.parallel,
                "tolerance": settings.tolerance,
                "reduction_factor": settings.reduction_factor,
                "price_per_hour": settings.price_per_hour,
                "normalizer": settings.normalizer,
                "budget": settings.budget,
            },
            upstream={f"block{number}": content_of(block) for number, block in enumerate(request.blocks)},
            inputs=dict(request.keys),
            seed=settings.seed,
            libraries=library_versions((*LIBRARIES, *libraries_of_normalizer(settings.normalizer))),
        )

    @override
    def compute(self, request: StudyRequest, store: Store, folder: Path) -> Computed[Study]:
        settings, started = request.settings, time.monotonic()
        journal = StudyJournal(folder / JOURNAL, settings.space, request.signs)
        known, listed = journal.read(), {digest_of(each.settings): each for each in request.listed}

        def evaluate(planned: Sequence[Try], before: Sequence[Try]) -> Sequence[Try]:
            computed = request.evaluate([_with_forecast(each, listed) for each in planned], before)
            for each in computed:
                journal.append(each)
            request.watch(computed, 0)
            return computed

        def has_time() -> bool:
            budget = settings.budget
            return budget is None or time.monotonic() - started <= budget * SEARCHED_SHARE

        request.watch((), len(known))
        space, tries = settings.space, settings.tries
        searcher = Searcher(space, settings.sampler, request.signs, settings.seed, tries)
        result = search(space, searcher, evaluate, tries, settings.parallel, known, has_time)
        done = {digest_of(each.settings) for each in result.tries}
        untried = [each for key, each in listed.items() if key not in done]
        sizes = [block.items for block in request.blocks]
        study = Study(
            objectives=tuple(
                ObjectiveRecord(name=each.name, higher_is_better=each.higher_is_better)
                for each in request.objectives
            ),
            variables=dict(settings.written),
            sampler=settings.sampler,
            seed=settings.seed,
            rung_sizes=tuple(sum(sizes[: n + 1]) for n in range(len(sizes))),
            reduction_factor=settings.reduction_factor,
            tries=(
                *result.tries,
                *(each.model_copy(update={"number": len(done) + n}) for n, each in enumerate(untried)),
            ),
            repeats=result.repeats,
            tolerance=settings.tolerance,
            budget=settings.budget,
            spent=time.monotonic() - started,
        )
        _write_tries(study, folder / TRIES)
        return Computed(study, len(study.tries), [TRIES, JOURNAL])

    @override
    def verdict(self, findings: Study) -> list[Sentence]:
        return [Sentence(f"Search: {summarize(findings)}.")]

    @override
    def tables(self, findings: Study) -> list[Table]:
        return study_tables(findings)


class ConfirmationRequest(NamedTuple):
    """The winner beside the pipeline as written, on the search data and on other data.

    Attributes:
        study: the search.
        search: statistics of the winner and of the pipeline as written on the search data.
        confirmed: the same on the other data.
        data: the other data, or all that have them.
        earlier: runs whose winner was confirmed on the same data before.
    """

    study: StageRef
    search: tuple[CorpusStatistics, CorpusStatistics]
    confirmed: tuple[CorpusStatistics, CorpusStatistics]
    data: StageRef
    earlier: Sequence[str]


class ConfirmationAnalysis(Analysis[ConfirmationRequest, Confirmation]):
    """How the winner of a search does on data that the search never saw."""

    kind, file, record = "confirmation", "confirmation.json", Confirmation
    noun, remedy = "a confirmation", "tune again"

    @override
    def plan(self, request: ConfirmationRequest, store: Store) -> StagePlan:
        both = (("s", request.search), ("c", request.confirmed))
        rows = {name: [table.rows.tolist() for table in tables] for name, tables in both}
        return StagePlan(
            stage=self.kind,
            kind=self.kind,
            version=f"confirmation/3 metrics/{metrics.version}",
            parameters={"earlier": list(request.earlier), "metric": request.search[0].metric.name},
            upstream={"study": content_of(request.study), "data": content_of(request.data)},
            inputs={"statistics": digest_of(rows)},
            libraries=library_versions(("numpy", "sacrebleu", "jiwer")),
        )

    @override
    def compute(self, request: ConfirmationRequest, store: Store, folder: Path) -> Computed[Confirmation]:
        forecast = STUDY.read(request.study).winner.forecast
        confirmation = confirm_winner(request.search, request.confirmed, forecast)
        named = confirmation.model_copy(update={"earlier": tuple(request.earlier)})
        return Computed(named, request.data.items)

    @override
    def tables(self, findings: Confirmation) -> list[Table]:
        return [confirmation_table(findings)]

    @override
    def verdict(self, findings: Confirmation) -> list[Sentence]:
        return [Sentence(f"{describe_verdict(findings)}.")]


STUDY, CONFIRMATION = StudyAnalysis(), ConfirmationAnalysis()


def _with_forecast(each: Try, listed: Mapping[str, Try]) -> Try:
    """Return a try with what is known of it beforehand."""
    known = listed.get(digest_of(each.settings))
    return each if known is None else each.model_copy(update={"forecast": known.forecast})


def _write_tries(study: Study, path: Path) -> None:
    rows = list(try_rows(study))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["\t".join(columns), *("\t".join(_cell(row.get(name, "")) for name in columns) for row in rows)]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def _cell(text: str) -> str:
    """Return a cell of a table in which a tab would be another, and '=' a formula of a spreadsheet."""
    plain = " ".join(text.split())
    return f"'{plain}" if plain[:1] in ("=", "@") else plain


def result_files(study: StageRef) -> dict[str, bytes]:
    """Return the files of a study that people open: name -> content."""
    return {name: (Path(study.path) / name).read_bytes() for name in (STUDY.file, TRIES)}
