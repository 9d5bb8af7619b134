"""`antiphon deploy`: a graph as a deployment of Prefect, which schedules, events and people start."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.errors import ConfigError, to_one_line
from flows.cli.help.options import Assignments, StoreUrl
from flows.cli.help.verbosity import print_notice

if TYPE_CHECKING:
    from flows.parameters.pipeline import PipelineParameters

PANEL = "Use"
ROOT = Path(__file__).parents[2]
ENTRYPOINT = "flows/python_flows/pipeline.py:pipeline"


def deploy(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="a pipeline, such as recommended.yaml")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="of the deployment; the file's if empty")
    ] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="SET", help="that its runs read")] = None,
    cron: Annotated[
        str | None,
        typer.Option("--cron", metavar="CRON", help="when it runs by itself, in UTC, such as '0 2 * * *'"),
    ] = None,
    pool: Annotated[
        str, typer.Option("--pool", metavar="NAME", help="work pool whose workers run it")
    ] = "antiphon",
    store: StoreUrl = None,
    assignments: Assignments = None,
) -> None:
    """Deploy a graph on a running Prefect server, as `antiphon run` would run it.

    The graph becomes a parameter, which the form shows; paths become absolute. A deployment of the same name
    is replaced. Examples:

    - `antiphon deploy antiphon-store/runs/talks/recommended.yaml --name talks --data new.jsonl`

    - `antiphon deploy talk.yaml --set audio=recordings --cron '0 2 * * *'` each night what is in a folder
    """
    from prefect.settings import PREFECT_API_URL

    from flows.cli.compute.parameters.run_parameters import resolve_parameters
    from flows.parameters.pipeline_files import is_pipeline_file

    if not PREFECT_API_URL.value():
        raise ConfigError(
            "expected a Prefect server in PREFECT_API_URL, found none (docs/use/deployments.md)"
        )
    if not is_pipeline_file(str(file)):
        raise ConfigError(
            f"expected a file with a pipeline, found {file}; prefect --no-prompt deploy --all deploys "
            "presets and flows (docs/use/deployments.md)"
        )
    shortcuts = {key: value for key, value in (("data", data), ("store", store)) if value is not None}
    _, parameters = resolve_parameters(str(file), None, assignments or [], shortcuts)
    if cron is not None and parameters.name is not None and not parameters.replace:
        raise ConfigError(
            f"--cron: expected no name of a run, or replace: true, found name: {parameters.name}; all "
            "but the first of its runs would be refused"
        )
    name = name or file.stem
    values = _values_of(parameters)
    _deploy(name, pool, cron, values)
    deployment = shlex.quote(f"pipeline/{name}")
    typer.echo(f"pipeline/{name}: deployed; prefect deployment run {deployment} starts it")
    read = values.get("data")
    if isinstance(read, str) and Path(read).is_absolute() and not Path(read).exists():
        print_notice(f"data: {read}: there is no such file yet")


def _values_of(parameters: PipelineParameters) -> dict[str, Any]:
    """Return the parameters that are set, with absolute paths and the graph as text for the form."""
    from components.files.yaml_text import format_yaml
    from components.storage.places.location import local_root

    values: dict[str, Any] = parameters.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    values["graph"] = format_yaml(parameters.graph_values)
    if (root := local_root(parameters.store)) is not None:
        values["store"] = str(root.resolve())
    for key, divider in (("data", ","), ("audio", "\n")):
        if isinstance(values.get(key), str):
            values[key] = make_absolute(values[key], divider)
    return values


def make_absolute(source: str, divider: str = ",") -> str:
    """Return files with absolute paths; names of sets and URLs as they are. Braces are not divided."""
    from components.data import NAMED

    parts = [source] if Path(source).exists() else re.split(rf"{divider}(?![^{{]*\}})", source)
    named = (
        part if ":" in part or part in NAMED else str(Path(part).expanduser().resolve()) for part in parts
    )
    return divider.join(named)


def _deploy(name: str, pool: str, cron: str | None, parameters: dict[str, Any]) -> None:
    """Deploy the flow `pipeline` from this installation.

    Raises:
        ConfigError: the server cannot be reached, or has no such pool; the name or the schedule is none.
    """
    import httpx
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.deployments.runner import DeploymentApplyError
    from prefect.exceptions import InvalidNameError, ObjectNotFound
    from pydantic import ValidationError

    source: Any = flow.from_source(str(ROOT), entrypoint=ENTRYPOINT)  # typed as if it might be awaited
    try:
        with get_client(sync_client=True) as client:
            client.read_work_pool(pool)
        found: Any = source.to_deployment(name, cron=cron, parameters=parameters, tags=["antiphon"])
        found.apply(work_pool_name=pool)
    except ObjectNotFound:
        raise ConfigError(
            f"--pool: expected a work pool, found none named {pool}; run prefect work-pool create {pool} "
            "--type process"
        ) from None
    except InvalidNameError as error:
        raise ConfigError(f"--name: {to_one_line(error, 200)}") from None
    except ValidationError:
        raise ConfigError(f"--cron: expected one such as '0 2 * * *', found {cron!r}") from None
    except DeploymentApplyError as error:
        raise ConfigError(f"the server refuses the deployment: {to_one_line(error, 300)}") from None
    except httpx.HTTPError as error:
        raise ConfigError(f"expected a Prefect server at PREFECT_API_URL, found none: {error}") from None
