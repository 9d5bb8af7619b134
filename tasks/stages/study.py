"""The ``study`` and ``confirmation`` stages: a search over a pipeline, and its winner on unseen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import get_run_logger

from components import metrics
from components.errors import AntiphonError
from components.files.canonical_json import digest_of
from components.files.files import write_bytes, write_json
from components.metrics.normalizers import BY_LANGUAGE, libraries_of_normalizer
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.models.weight_digests import resolve_weight_digests
from components.pipeline.pipeline import Pipeline
from components.pipeline.planning import plan_nodes
from components.run_record import StageRef
from components.storage.stages.stage_plan import StagePlan, content_of, library_versions
from components.storage.stages.whole_stage import TABLES, Product, compute_once
from components.storage.store import Store
from components.tuning.confirmation import confirm_winner
from components.tuning.journal import StudyJournal
from components.tuning.samplers import Searcher
from components.tuning.search import search
from components.tuning.study import ObjectiveRecord, Study, Try
from components.tuning.variables import SearchSpace
from reports.analyses import tuning_report
from reports.analyses.stage_results import CONFIRMATION, STUDY
from reports.plots import tuning_plots
from tasks.progress import ProgressBar
from tasks.stages.tries import TryContext, compute_tries, require_computed

VERSION = "study/1"
JOURNAL = "optuna.log"
TRIES = "tries.tsv"
LIBRARIES = ("optuna", "cmaes", "numpy")


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
    """

    space: SearchSpace
    written: Mapping[str, Any]
    sampler: str
    seed: int
    tries: int
    parallel: int
    tolerance: float


def run_study(context: TryContext, settings: SearchSettings, pipelines: Mapping[str, Pipeline]) -> StageRef:
    """Search, or return the same search done before; one that was stopped goes on.

    Args:
        context: what all tries share.
        settings: of the search.
        pipelines: the pipeline as written and with single values of its variables; the keys of their stages
            hold all that decides outputs beside the settings.
    """
    names = [objective.name for objective in context.objectives]
    plan = StagePlan(
        stage="study",
        kind="study",
        version=f"{VERSION} metrics/{metrics.version}",
        parameters={
            "search": dict(settings.written),
            "objectives": names,
            "sampler": settings.sampler,
            "tries": settings.tries,
            "parallel": settings.parallel,
            "tolerance": settings.tolerance,
            "reduction_factor": context.reduction_factor,
            "price_per_hour": context.price_per_hour,
            **({} if context.normalizer == BY_LANGUAGE else {"normalizer": context.normalizer}),
        },
        upstream={f"block{number}": content_of(block) for number, block in enumerate(context.blocks)},
        inputs={name: _digest_keys(context, pipeline) for name, pipeline in pipelines.items()},
        seed=settings.seed,
        libraries=library_versions((*LIBRARIES, *libraries_of_normalizer(context.normalizer))),
    )
    return compute_once(Store(context.store), plan, lambda folder: _search(context, settings, folder))


def _digest_keys(context: TryContext, pipeline: Pipeline) -> str:
    """Digest of the keys of a pipeline's stages; of its fault where it cannot be planned."""
    try:
        sets = context.load_sets(pipeline, context.blocks[0])
        plans = plan_nodes(pipeline, sets, context.store, context.seed, resolve_weight_digests)
    except AntiphonError as error:
        return digest_of(str(error))
    return digest_of({name: plan.stage.key for name, plan in plans.items()})


def _search(context: TryContext, settings: SearchSettings, folder: Path) -> Product:
    """Search; the tries that a stopped search left in the folder's journal are not computed again."""
    journal = StudyJournal(folder / JOURNAL, settings.space, context.signs)
    bar = ProgressBar("study", f"{settings.tries} tries")
    known = journal.read()
    if known:
        get_run_logger().info("search: goes on after %d tries", len(known))

    def evaluate(planned: Sequence[Try], before: Sequence[Try]) -> list[Try]:
        computed = compute_tries(context, planned, before)
        for each in computed:
            if each.number == 0:
                require_computed([each])
            journal.append(each)
            get_run_logger().info("%s", tuning_report.describe_try(each, names))
        bar.show(min(100.0, 100 * (planned[-1].number) / settings.tries))
        return computed

    names = [objective.name for objective in context.objectives]
    searcher = Searcher(settings.space, settings.sampler, context.signs, settings.seed, settings.tries)
    result = search(settings.space, searcher, evaluate, settings.tries, settings.parallel, known)
    sizes = [block.items for block in context.blocks]
    study = Study(
        objectives=tuple(
            ObjectiveRecord(name=o.name, higher_is_better=o.higher_is_better) for o in context.objectives
        ),
        variables=dict(settings.written),
        sampler=settings.sampler,
        seed=settings.seed,
        rung_sizes=tuple(sum(sizes[: n + 1]) for n in range(len(sizes))),
        reduction_factor=context.reduction_factor,
        tries=tuple(result.tries),
        repeats=result.repeats,
        tolerance=settings.tolerance,
    )
    return _write_study(study, folder)


def _write_study(study: Study, folder: Path) -> Product:
    write_json(folder / STUDY, study.model_dump(mode="json"))
    write_json(folder / TABLES, {"tables": tuning_report.study_tables(study)})
    rows = list(tuning_report.try_rows(study))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["\t".join(columns), *("\t".join(_cell(row.get(name, "")) for name in columns) for row in rows)]
    write_bytes(folder / TRIES, "".join(f"{line}\n" for line in lines).encode())
    plots = tuning_plots.save_plots(study, folder)
    files = [STUDY, TABLES, TRIES, JOURNAL, *(path.name for path in plots)]
    return Product(files, items=len(study.tries))


def _cell(text: str) -> str:
    """A cell of a table in which a tab would be another, and '=' a formula of a spreadsheet."""
    plain = " ".join(text.split())
    return f"'{plain}" if plain[:1] in ("=", "@") else plain


def confirm_study(
    study: StageRef,
    search: tuple[CorpusStatistics, CorpusStatistics],
    confirmed: tuple[CorpusStatistics, CorpusStatistics],
    data: StageRef,
    earlier: Sequence[str],
    store: str | None,
) -> StageRef:
    """Compare the winner on search data with the winner on data that the search never saw.

    Args:
        study: the search.
        search: statistics of the winner and of the pipeline as written on the search data.
        confirmed: the same on the other data.
        data: the other data.
        earlier: runs whose winner was confirmed on the same data before.
        store: URL of the store.
    """
    rows = {name: [t.rows.tolist() for t in tables] for name, tables in (("s", search), ("c", confirmed))}
    plan = StagePlan(
        stage="confirmation",
        kind="confirmation",
        version=f"confirmation/1 metrics/{metrics.version}",
        parameters={"earlier": list(earlier), "metric": search[0].metric.name},
        upstream={"study": content_of(study), "data": content_of(data)},
        inputs={"statistics": digest_of(rows)},
        libraries=library_versions(("numpy", "sacrebleu", "jiwer")),
    )

    def work(folder: Path) -> Product:
        confirmation = confirm_winner(search, confirmed).model_copy(update={"earlier": tuple(earlier)})
        write_json(folder / CONFIRMATION, confirmation.model_dump(mode="json"))
        write_json(folder / TABLES, {"tables": [tuning_report.confirmation_table(confirmation)]})
        return Product([CONFIRMATION, TABLES], items=data.items)

    return compute_once(Store(store), plan, work)


def result_files(study: StageRef) -> dict[str, bytes]:
    """The files of a study that people open: name -> content."""
    folder = Path(study.path)
    names = [STUDY, TRIES, *(path.name for path in sorted(folder.glob("*.png")))]
    return {name: (folder / name).read_bytes() for name in names}
