"""`antiphon compare`, `blame`, `improve` and `contribution`: analyses of finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from components.errors import ConfigError
from flows.cli.compute.flow_command import COMMON, flow_command
from flows.cli.compute.run import print_result
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import AsJson, Assignments
from flows.cli.help.pages import completes
from flows.parameters.compare import CompareParameters

PANEL = "Judge"

FLAGS = ("baseline", "scores", "normalizer", "price_per_hour", "primary", "sequential", "margin")
"""Parameters of a comparison of finished runs that have a flag."""


@with_flags(CompareParameters, *FLAGS, *COMMON, positional="runs")
def compare(
    values: Values,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="score of the stated comparisons; others follow it",
            autocompletion=completes("metrics"),
        ),
    ] = None,
    shadow: Annotated[
        str | None,
        typer.Option("--shadow", metavar="NAME", help="instead: two graphs that `antiphon serve` let answer"),
    ] = None,
    corrected: Annotated[
        str | None,
        typer.Option(
            "--corrected", metavar="RUN", help="--shadow: of the kept requests, whose texts are right"
        ),
    ] = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Say which of several runs is better, and by how much.

    Finished runs of the same data: scores with intervals, paired tests, cost, groups, examples.

    `antiphon run compare -c FILE` runs the systems as well. Examples:

    - `antiphon compare small large`

    - `antiphon compare large` compares with the accepted run of the same data (`antiphon runs accept`)

    - `antiphon compare small large --scores esa=scores.tsv --metric esa`: by human judgement
      (`antiphon campaign` asks for it)

    - `antiphon compare small large huge --baseline small --metric bleu`: a verdict and a p for each in BLEU,
      corrected for two comparisons; differences in other scores are not tested

    - `antiphon compare small large huge --primary 'huge versus large in chrf'`: this one comparison is tested

    - `antiphon compare small large --metric comet:hub:Unbabel/wmt22-comet-da`: by a model
      (docs/evaluation/metrics.md)

    - `antiphon compare old new --margin 0.5`: at every look (`--sequential`), with equivalence as a verdict

    - `antiphon compare small large --set test=randomization --set 'metrics=[bleu, chrf, ter]'`

    - `antiphon compare --shadow talks` (docs/use/serving.md)

    - `antiphon compare small large --normalizer open-asr --price-per-hour 1.20`
    """
    if shadow is not None:
        from flows.cli.look.shadow import print_shadow

        if values.get("runs"):
            raise ConfigError("--shadow: expected no runs beside it, found some; compare them without it")
        store = values.get("store")
        raise typer.Exit(
            print_shadow(shadow, corrected, None if store is None else str(store), as_json=as_json)
        )
    if corrected is not None:
        raise ConfigError("--corrected: expected --shadow NAME with it, found none")
    runs = values.get("runs")
    if runs is None and not assignments:
        raise ConfigError("expected finished runs, found none; antiphon runs list has their names")
    if isinstance(runs, list) and len(runs) == 1:
        from components.storage.runs.accepted_runs import find_baseline
        from components.storage.store import Store

        store = values.get("store")
        opened = Store(None if store is None else str(store))
        values = {**values, "runs": [find_baseline(opened, opened.load_run(runs[0])).name, *runs]}
    raise typer.Exit(_compare_finished(assignments or [], {**values, **_rank_by(metric)}, as_json=as_json))


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
    from flows.cli.compute.parameters.config_file import gather
    from flows.python_flows.compare import compare_finished

    parameters = gather(CompareParameters, None, assignments, shortcuts)
    return print_result(compare_finished(parameters), parameters.store, as_json=as_json)


blame = flow_command(
    "blame",
    "segments",
    positional="run",
    help="""Say what the errors of each node cost the result.

Transcripts and drafts are corrected, and the nodes below run again: of a run of any pipeline; what was
computed is reused. The copy of the run with its blame is named RUN-blame. Examples:

- `antiphon blame RUN`, with `--segments pieces.jsonl`

- `antiphon blame RUN --set 'human_scores={bleu: 55}'` also names the stage that loses most: what a human
  scores against the same references must be known for that""",
)

improve = flow_command(
    "improve",
    "budget",
    positional="run",
    help="""List remedies for a run's errors; with --budget, try them.

The error attribution of the run (it is made if there is none) bounds what each remedy can gain. With a
budget each is tried on some utterances drawn at random, which forecasts its gain and its cost; the one
with the largest forecast that fits into the time left runs for all, and the others say whether the
forecast held. The copy of the run is named RUN-improve. Examples:

- `antiphon improve RUN`

- `antiphon improve RUN --budget 600`, with `--set share=0.2` or `--set recognizer=hub:ORG/NAME`""",
)

watch = flow_command(
    "watch",
    "accepted",
    "data",
    "audio",
    "alpha",
    positional="runs",
    help="""Say whether runs over new data are as the accepted run, without references; which stage changed.

Per stage and over time: sound, confidence, expected WER or chrF (nodes of kind `estimate`), agreement of
systems, routes, lengths, language, repetition, unfamiliar text, quarantine. At most one watched life in a
hundred (`--alpha`) gives a false alarm, however often one looks. The copy of the last run with what was
found is named RUN-watch; beside its report lies a table of 30 utterances to correct, whose corrections
give a verdict by score. Examples:

- `antiphon runs accept RUN` keeps what later runs are compared with

- `antiphon watch monday tuesday wednesday --accepted RUN`

- `antiphon watch --accepted RUN --audio folder` runs the accepted graph over the folder first

- `antiphon edit tuesday asr --from correct-asr.tsv`, then `antiphon watch tuesday-edited --accepted RUN`""",
)

contribution = flow_command(
    "contribution",
    "metric",
    positional="run",
    help="""Say what each part of a system adds: members, inputs, rounds.

Members, inputs, sources, rounds or experts: the system is run again without some of its parts;
leave-one-out and Shapley values with intervals.
`--metric chrf` counts in another metric than BLEU.""",
)
