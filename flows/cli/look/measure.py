"""`antiphon measure`: how far the confidences of a finished run can be trusted, and its latency."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.help.options import AsJson, FinishedRun, StoreUrl
from flows.cli.help.pages import completes

if TYPE_CHECKING:
    from components.run_record import RunRecord
    from components.storage.store import Store

PANEL = "Judge"


def measure(
    run: FinishedRun,
    confidence: Annotated[
        bool, typer.Option("--confidence", help="of its texts, against the references (without any option)")
    ] = False,
    latency: Annotated[
        bool, typer.Option("--latency", help="seconds of one utterance at a time: its models run again")
    ] = False,
    node: Annotated[
        str | None,
        typer.Option(
            "--node",
            metavar="NAME",
            help="the confidences of this node only, such as asr",
            autocompletion=completes("nodes"),
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="utterances that latency is measured on")
    ] = 50,
    store: StoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say how far confidences can be trusted; measure latency.

    Of each node: from which confidence on its texts are right, whether a confidence is a probability (ECE,
    NCE), tells right from wrong (AUROC, risk over coverage) and goes with WER or chrF (Kendall, Pearson);
    with 95% intervals (docs/evaluation/confidence.md).

    Latency is the median (p50) and 95th percentile of the seconds that one utterance takes, in each node and
    in all on its way, and RTFx (seconds of audio per second) without batches, with the models loaded. It is
    kept with the run, for its report and for `antiphon compare`. Leave the machine alone meanwhile.

    - `antiphon measure RUN`, with `--node asr`

    - `antiphon measure RUN --latency --limit 200 --json`
    """
    from components.storage.store import Store

    opened = Store(store)
    record = opened.load_run(run)
    line: dict[str, Any] = {"run": run}
    if confidence or node is not None or not latency:
        line |= _print_confidences(record, opened, node)
    if latency:
        line |= _print_latency(record, opened, limit)
    if as_json:
        typer.echo(json.dumps(line))


def _print_confidences(record: RunRecord, store: Store, node: str | None) -> dict[str, Any]:
    """Measure and print the confidences of a run; returns them for ``--json``."""
    from components.confidence.evaluation.analysis import CONFIDENCE, Signals
    from components.confidence.evaluation.finished_run import measure_run
    from flows.cli.help.console import console
    from reports.terminal.analysis_printing import print_tables, print_verdict

    signals = measure_run(record, store, node)
    findings = Signals(signals=tuple(signals))
    print_verdict(CONFIDENCE.verdict(findings), console())
    print_tables(CONFIDENCE.tables(findings), console())
    return {"signals": [row.model_dump(mode="json") for row in signals]}


def _print_latency(record: RunRecord, store: Store, limit: int) -> dict[str, Any]:
    """Measure, keep and print the latency of a run; returns it for ``--json``."""
    from rich.text import Text

    from components.analysis.run_outputs import LATENCY
    from components.comparison.comparable_runs import check_comparable
    from components.files.files import utc_now, write_json
    from flows.cli.help.console import console
    from flows.registry import pipeline_of
    from reports.terminal.latency_printing import print_latencies
    from tasks.execution.latency import measure_latency

    check_comparable(record)
    stages = {ref.stage: ref for ref in record.stages}
    seed = record.parameters.get("seed", 0)
    measured = measure_latency(
        pipeline_of(record), stages, seed if isinstance(seed, int) else 0, store.backend.url, limit
    )
    values = {
        "measured": utc_now(),
        "limit": limit,
        "system": measured.system.model_dump(mode="json"),
        "nodes": {name: of_node.model_dump(mode="json") for name, of_node in measured.nodes.items()},
    }
    path = store.run_folder(record.name) / LATENCY
    write_json(path, values)
    print_latencies({**measured.nodes, "all": measured.system}, console())
    console().print(Text(f"latency {path}"), soft_wrap=True)
    return {"path": str(path), **values}
