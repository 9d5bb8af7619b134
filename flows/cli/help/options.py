"""Arguments and flags that commands share."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.help.pages import completes
from flows.preset_flow import PresetFlow
from flows.registry import FLOWS


def list_shown_flows() -> list[str]:
    """Return what `antiphon run` names: the presets, and the flows that have no command of their own."""
    commands = {"pipeline", *(entry.name for entry in entry_points(group="antiphon.commands"))}
    return [name for name, flow in FLOWS.items() if isinstance(flow, PresetFlow) or name not in commands]


FlowOrFile = Annotated[
    str,
    typer.Argument(
        metavar="FLOW|FILE.yaml",
        help=f"a file with a pipeline, or {', '.join(list_shown_flows())}",
        autocompletion=completes("flows"),
    ),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="NODE", help="compute only this node and what it needs")
]
FinishedRun = Annotated[
    str, typer.Argument(metavar="RUN", help="name of a run", autocompletion=completes("runs"))
]
Config = Annotated[
    Path | None, typer.Option("-c", "--config", metavar="FILE", help="YAML file of parameters")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="A.B=VALUE",
        help="one parameter, such as mt.beam_size=5; may be repeated",
        autocompletion=completes("assignments"),
    ),
]
StoreUrl = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="store: a folder, or s3://bucket/folder")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="replace the finished run of that name, once this one is finished")
]
AsJson = Annotated[bool, typer.Option("--json", help="the last line of standard output is one JSON object")]
ListParameters = Annotated[
    bool, typer.Option("--parameters", help="list what is set on the flow most, with defaults, and stop")
]
AllParameters = Annotated[bool, typer.Option("--all", help="with --parameters or --help: list all of them")]
Template = Annotated[
    bool, typer.Option("--template", help="print a YAML file with all that can be set on the flow, and stop")
]
CheckOnly = Annotated[
    bool, typer.Option("--check", help="say what would be refused or fetched; run, fetch and start nothing")
]
Yes = Annotated[bool, typer.Option("--yes", help="start a long training although nothing was set on it")]
Processes = Annotated[
    int,
    typer.Option(
        "--processes",
        metavar="N",
        min=1,
        help="of this machine, which compute the microbatches of trainings side by side (docs/use/gpu.md)",
    ),
]
Simultaneous = Annotated[bool, typer.Option("--simultaneous", help="then replay it chunk by chunk")]
Policies = Annotated[list[str] | None, typer.Option("--policy", metavar="NAME:N", help="of the replay")]
Chunks = Annotated[list[float] | None, typer.Option("--chunk", metavar="S", help="of the replay, seconds")]
ExternalScores = Annotated[
    list[str] | None,
    typer.Option(
        "--scores",
        metavar="NAME=FILE",
        help="scores that somebody else gave: a TSV with the columns id, system (the run), value; "
        "NAME=FILE:lower where lower is better; repeatable",
    ),
]
