"""Parameters of a run from its file and flags, refused before Prefect is imported where they can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import ConfigError
from flows.parameters.pipeline_files import is_pipeline_file
from flows.registry import FlowEntry, flow_named

if TYPE_CHECKING:
    from pydantic import BaseModel


def resolve_parameters(
    flow: str, config: Path | None, assignments: Sequence[str], shortcuts: Mapping[str, object]
) -> tuple[FlowEntry, Any]:
    """Return the flow (``pipeline`` for a file with a graph) and its checked parameters from file and flags.

    Raises:
        ConfigError: no such flow or file, or parameters that it does not take, each with its place.
    """
    if is_pipeline_file(flow):
        if config is not None:
            raise ConfigError(f"--config: expected one file, found {flow} and {config}; leave one out")
        flow, config = "pipeline", Path(flow)
    entry = flow_named(flow)  # before anything heavy is imported
    from flows.cli.compute.parameters.config_file import gather_values
    from flows.parameters.faults import check_values

    _check_flags(flow, entry.parameters, shortcuts)
    values, places = gather_values(entry.parameters, config, assignments, shortcuts)
    parameters: Any = check_values(entry.parameters, values, config, places)
    return entry, parameters if config is None else parameters.read_from(config, places)


def _check_flags(name: str, model: type[BaseModel], shortcuts: Mapping[str, object]) -> None:
    """Refuse a flag that the flow has no parameter for, and both flags of what is one or the other."""
    flags = {flag: value for flag, value in shortcuts.items() if value is not None}
    for flag in (flag for flag in flags if flag not in model.model_fields):
        option = "--" + flag.replace("_", "-")
        raise ConfigError(
            f"{option}: {name} takes none; antiphon run {name} --parameters lists what it takes"
        )
    if {"data", "audio"} <= flags.keys():
        raise ConfigError(
            f"expected --data or --audio, found both ({flags['data']} and {flags['audio']}); leave one out"
        )


def check_size(parameters: BaseModel) -> None:
    """Refuse what Prefect, which keeps the parameters with the run, would refuse after it has started.

    Raises:
        ConfigError: they are too large.
    """
    from prefect.settings import get_current_settings

    most = get_current_settings().server.api.max_parameter_size
    size = len(parameters.model_dump_json().encode())
    if 0 < most < size:
        raise ConfigError(
            f"parameters: expected at most {most >> 10} KiB of them as JSON, found {size >> 10}; put what is "
            "long into a file, and name the file"
        )
