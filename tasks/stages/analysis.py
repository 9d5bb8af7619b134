"""Analyses (:mod:`components.analysis.analysis`) as Prefect tasks: computed or reused, then published."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State
from prefect.events import emit_event

from components.analysis.analysis import Result, analysis_named
from components.compute.profiling import measure_card
from components.files.fault_reports import explain_faults
from components.run_record import StageRef
from components.storage.store import Store
from tasks.artifacts import publish_result
from tasks.task_options import NOT_STORED, as_prefect_state, unwrap


def run_analysis(kind: str, request: Any, store: Store, label: str = "") -> StageRef:
    """Compute an analysis as a task, or return the stage that has it.

    Args:
        kind: of the analysis.
        request: what is analyzed.
        store: where it is kept.
        label: the name of the system in a comparison.
    """
    named = compute_analysis.with_options(name=kind, task_run_name=f"{label}--{kind}" if label else kind)
    ref: StageRef = unwrap(named(kind, request, store))
    return ref


@task(name="analysis", **NOT_STORED)
def compute_analysis(kind: str, request: Any, store: Store) -> StageRef | State[StageRef]:
    """Compute the analysis of a kind; publishes its tables, its plots and its events."""
    analysis = analysis_named(kind)
    with explain_faults(f"analysis {kind}"):
        ref = analysis.run(request, store, hold_device)
        publish_analysis(analysis, ref)
    return as_prefect_state(ref)


@contextmanager
def hold_device(device: str) -> Iterator[None]:
    """Hold a device alone, and measure its memory."""
    from tasks.gpu_lock import lock_device  # noqa: PLC0415 - torch, which a reused stage need not import

    with lock_device(device, alone=True), measure_card(device):
        yield


def publish_analysis(analysis: Result[Any], ref: StageRef) -> None:
    """Publish what a stage found out: lines of the log, tables and pictures, events."""
    findings = analysis.read(ref)
    verdict = [sentence.text for sentence in analysis.verdict(findings)]
    for line in verdict:
        get_run_logger().info("%s: %s", analysis.kind, line)
    for warning in analysis.warnings(findings):
        get_run_logger().warning("%s: %s", analysis.kind, warning)
    publish_result(ref, analysis.tables(findings), verdict)
    for event in analysis.events(findings):
        resource = {"prefect.resource.id": f"antiphon.{event.about}", "prefect.resource.name": event.name}
        emit_event(event=event.event, resource=resource, payload=event.payload)
