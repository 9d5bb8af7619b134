"""`antiphon compare`, `blame`, `improve` and `contribution`: analyses of finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from flows.cli.compute.run import print_result, run_flow
from flows.cli.help.completion import complete_choices, complete_metrics, complete_runs
from flows.cli.help.options import (
    AsJson,
    Assignments,
    ExternalScores,
    FinishedRun,
    Replace,
    RunName,
    StoreUrl,
)


def compare(  # noqa: PLR0913, PLR0917 - one argument per flag: typer reads them from the signature
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="names of finished runs; a single one is compared with the accepted run of its data",
            autocompletion=complete_runs,
        ),
    ],
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="RUN",
            help="the run to test against; the first if omitted",
            autocompletion=complete_runs,
        ),
    ] = None,
    scores: ExternalScores = None,
    normalizer: Annotated[
        str | None,
        typer.Option(
            "--normalizer",
            metavar="NAME",
            help="of transcripts, such as open-asr, for all runs",
            autocompletion=complete_choices("components.metrics.normalizers", "NormalizerName"),
        ),
    ] = None,
    price_per_hour: Annotated[
        float | None,
        typer.Option("--price-per-hour", metavar="PRICE", help="of the machine, to compare prices"),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="score of the stated comparisons; others follow it",
            autocompletion=complete_metrics,
        ),
    ] = None,
    primary: Annotated[
        list[str] | None,
        typer.Option(
            "--primary",
            metavar="TEXT",
            help="a comparison stated before: 'RUN', 'RUN versus OTHER', 'RUN in METRIC'; several times",
        ),
    ] = None,
    assignments: Assignments = None,
    store: StoreUrl = None,
    name: RunName = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Compare finished runs of the same data: scores with intervals, paired tests, cost, groups, examples.

    `antiphon run compare -c FILE` runs the systems as well. Examples:

    - `antiphon compare small large`

    - `antiphon compare large` compares with the accepted run of the same data (`antiphon runs accept`)

    - `antiphon compare small large --scores esa=scores.tsv --metric esa`: by human judgement
      (`antiphon campaign` asks for it)

    - `antiphon compare small large huge --baseline small --metric bleu`: a verdict and a p for each in BLEU,
      corrected for two comparisons; differences in other scores are exploratory

    - `antiphon compare small large huge --primary 'huge versus large in chrf'`: this one comparison is tested

    - `antiphon compare small large --metric comet:hub:Unbabel/wmt22-comet-da`: by a model
      (docs/evaluation/metrics.md)

    - `antiphon compare small large --set test=randomization --set 'metrics=[bleu, chrf, ter]'`

    - `antiphon compare small large --normalizer open-asr --price-per-hour 1.20`
    """
    if len(runs) == 1:
        from components.storage.runs.baseline_run import find_baseline
        from components.storage.store import Store

        opened = Store(store)
        runs = [find_baseline(opened, opened.load_run(runs[0])).name, *runs]
    shortcuts: dict[str, object] = {"runs": runs, "baseline": baseline, "store": store, "name": name}
    shortcuts |= {"replace": replace or None, "primary": primary or None, "scores": scores or None}
    shortcuts |= {"normalizer": normalizer, "price_per_hour": price_per_hour}
    shortcuts |= _rank_by(metric)
    raise typer.Exit(_compare_finished(assignments or [], shortcuts, as_json=as_json))


def _rank_by(metric: str | None) -> dict[str, object]:
    """Return the settings by which a metric, or an external score, ranks and is tested; none without one."""
    from components.comparison.comparison_settings import ComparisonSettings
    from components.metrics.metric_names import split_metric
    from components.metrics.table import METRICS

    if metric is None:
        return {}
    name, model = split_metric(metric)
    if model is None and (name not in METRICS or METRICS[name].needs_model):
        return {"ranking": name}
    return {"ranking": name, "metrics": list(dict.fromkeys([metric, *ComparisonSettings().metrics]))}


def _compare_finished(assignments: Sequence[str], shortcuts: Mapping[str, object], *, as_json: bool) -> int:
    """Compare finished runs and print the tables; returns the exit code."""
    from flows.cli.compute.config_file import gather
    from flows.parameters.compare import CompareParameters
    from flows.python_flows.compare import compare_finished

    parameters = gather(CompareParameters, None, assignments, shortcuts)
    return print_result(compare_finished(parameters), parameters.store, as_json=as_json)


def blame(
    run: FinishedRun,
    segments: Annotated[
        str | None, typer.Option("--segments", metavar="MANIFEST", help="the recordings cut by hand")
    ] = None,
    assignments: Assignments = None,
    store: StoreUrl = None,
    name: RunName = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Attribute errors to stages: transcripts and drafts are corrected, and the stages below run again.

    Of a run of any pipeline; what was computed is reused. The copy of the run with its blame is named
    RUN-blame. Examples:

    - `antiphon blame RUN`, with `--segments pieces.jsonl`

    - `antiphon blame RUN --set 'human_scores={bleu: 55}'` also names the stage that loses most: what a human
      scores against the same references must be known for that
    """
    shortcuts: dict[str, object] = {"run": run, "segments": segments, "store": store, "name": name}
    shortcuts["replace"] = replace or None
    raise typer.Exit(run_flow("blame", None, assignments or [], shortcuts, as_json=as_json))


def improve(
    run: FinishedRun,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget", metavar="SECONDS", help="try the remedies and run the best within so many seconds"
        ),
    ] = None,
    assignments: Assignments = None,
    store: StoreUrl = None,
    name: RunName = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """List what could be done about a run's errors; with `--budget`, try it, and run the best.

    The error attribution of the run (it is made if there is none) bounds what each remedy can gain. With a
    budget each is tried on some utterances drawn at random, which forecasts its gain and its cost; the one
    with the largest forecast that fits into the time left runs for all, and the others say whether the
    forecast held. The copy of the run is named RUN-improve. Examples:

    - `antiphon improve RUN`

    - `antiphon improve RUN --budget 600`, with `--set share=0.2` or `--set recognizer=hub:ORG/NAME`
    """
    shortcuts: dict[str, object] = {"run": run, "budget": budget, "store": store, "name": name}
    shortcuts["replace"] = replace or None
    raise typer.Exit(run_flow("improve", None, assignments or [], shortcuts, as_json=as_json))


def contribution(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="a finished run of several members, inputs, rounds...",
            autocompletion=complete_runs,
        ),
    ],
    assignments: Assignments = None,
    store: StoreUrl = None,
    name: RunName = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Measure what each part of a run's system adds: its members, inputs, sources, rounds or experts.

    The system is run again without some of its parts; leave-one-out and Shapley values with intervals.
    `--set metric=chrf` counts in another metric than BLEU.
    """
    shortcuts: dict[str, object] = {"run": run, "store": store, "name": name}
    shortcuts["replace"] = replace or None
    raise typer.Exit(run_flow("contribution", None, assignments or [], shortcuts, as_json=as_json))
