"""Whether runs can be compared."""

from __future__ import annotations

from components.analysis.run_outputs import text_stages
from components.errors import DataError
from components.run_record import NodeRecord, RunRecord


def check_comparable(run: RunRecord) -> None:
    """Refuse a run that cannot be compared.

    Raises:
        DataError: it failed, it made a model, it decoded nothing, or all its outputs were quarantined.
    """
    if not run.status.startswith("completed"):
        raise DataError(
            f"run {run.name}: expected a finished run, found one that is {run.status}; run it again, what it "
            "finished is reused"
        )
    product = _find_product(run)
    if product is not None:
        model = next((f"store:{ref.key[:12]}" for ref in run.stages if ref.stage == product.name), "it")
        raise DataError(
            f"run {run.name}: expected a run over a data set, found one of {run.flow}, which makes a model; "
            f"run a system with {model} (mt.model of a cascade, say) and compare that run"
        )
    stages = text_stages(run)
    if not stages:
        raise DataError(
            f"run {run.name}: expected transcripts or translations, found none in a run of {run.flow}; "
            "compare runs of a system, such as a cascade"
        )
    last = stages[-1]
    if last.items == last.quarantined:
        raise DataError(
            f"run {run.name}: expected outputs of its last stage {last.stage}, found all {last.items} "
            f"records quarantined; antiphon inspect {run.name} --node {last.stage} says why"
        )


def _find_product(run: RunRecord) -> NodeRecord | None:
    """Return the last model node of a run that none of its own nodes reads."""
    names = {name for node in run.pipeline.nodes for name in node.reads.values()}
    products = [node for node in run.pipeline.nodes if node.output == "model" and node.name not in names]
    return products[-1] if products else None
