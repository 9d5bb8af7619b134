"""Give a deployment the settings of the accepted run again: its graph, models and searches, not its data.

An automation runs it after an alarm (automations/watch.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound

from components.errors import ConfigError
from components.files.yaml_text import format_yaml
from components.run_record import RunRecord
from components.storage.store import Store
from flows.definition import define_flow
from flows.parameters.watch import RollBackParameters
from flows.python_flows.finished_runs.repetition import defaults_of
from flows.registry import flow_named
from flows.run import Run, final_state

KEPT = ("data", "audio", "limit", "name", "replace", "store", "edits")
"""Parameters of a deployment that stay as they are."""


@define_flow(RollBackParameters)
def rollback(parameters: RollBackParameters) -> RunRecord | State[RunRecord]:
    """Set the parameters of a deployment to those of a run."""
    run = Run("rollback", parameters)
    with run:
        accepted = Store(parameters.store).read_run(parameters.accepted)
        changed = _update(parameters.deployment, accepted)
        run.notes.append(f"{parameters.deployment} has the settings of {accepted.name} again: {changed}")
    return final_state(run.record)


def _update(name: str, accepted: RunRecord) -> str:
    """Change the deployment; returns the names of the parameters whose values are now others.

    Raises:
        ConfigError: there is no such deployment, or it is one of another flow.
    """
    flow, _, _ = name.partition("/")
    if flow != accepted.flow.replace("_", "-"):
        raise ConfigError(f"deployment: expected one of {accepted.flow}, as {accepted.name} is, found {name}")
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(name)
        except ObjectNotFound:
            raise ConfigError(f"deployment: expected FLOW/NAME of one on the server, found {name}") from None
        before = deployment.parameters
        after = parameters_after(accepted, before)
        client.update_deployment(deployment.id, DeploymentUpdate(parameters=after))
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return ", ".join(changed) or "nothing was different"


def parameters_after(accepted: RunRecord, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a deployment with the settings of a run; a graph is text, which forms show."""
    fields, usual = flow_named(accepted.flow).parameters.model_fields, defaults_of(accepted.flow)
    after = {
        key: value
        for key, value in accepted.parameters.items()
        if key in fields and key not in KEPT and value != usual.get(key)
    } | {key: value for key, value in before.items() if key in KEPT}
    if isinstance(after.get("graph"), Mapping):
        after["graph"] = format_yaml(after["graph"])
    return after
