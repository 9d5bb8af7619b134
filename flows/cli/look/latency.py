"""`antiphon latency`: how long one utterance takes, measured one at a time."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from flows.cli.help.options import AsJson, FinishedRun, StoreUrl


def latency(
    run: FinishedRun,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="so many utterances, spread over the data set")
    ] = 50,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Measure the latency of a finished run's system: one utterance at a time, with the models loaded.

    Median (p50) and 95th percentile of the seconds that an utterance takes, in each node and in all nodes on
    its way, and RTFx (seconds of audio per second) without batches; the times of a run are those of batches.
    The result is kept with the run, for its report and for `antiphon compare`. Leave the machine alone
    meanwhile. Examples:

    - `antiphon latency RUN`

    - `antiphon latency RUN --limit 200 --json`
    """
    from components.analysis.run_outputs import LATENCY
    from components.comparison.comparable_runs import check_comparable
    from components.files.files import utc_now, write_json
    from components.storage.store import Store
    from flows.cli.help.console import console
    from flows.registry import pipeline_of
    from reports.terminal.latency_printing import print_latencies
    from tasks.execution.latency import measure_latency

    opened = Store(store)
    record = opened.load_run(run)
    check_comparable(record)
    stages = {ref.stage: ref for ref in record.stages}
    seed = record.parameters.get("seed", 0)
    measured = measure_latency(
        pipeline_of(record), stages, seed if isinstance(seed, int) else 0, opened.backend.url, limit
    )
    values = {
        "measured": utc_now(),
        "limit": limit,
        "system": measured.system.model_dump(mode="json"),
        "nodes": {name: of_node.model_dump(mode="json") for name, of_node in measured.nodes.items()},
    }
    path = opened.run_folder(run) / LATENCY
    write_json(path, values)
    print_latencies({**measured.nodes, "all": measured.system}, console())
    typer.echo(json.dumps({"run": run, "path": str(path), **values}) if as_json else f"{path}")
