"""The `antiphon` command. Results go to standard output, progress and logs to standard error."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from components.errors import AntiphonError, ConfigError
from flows import commanding
from flows.catalogue import FLOWS
from flows.data_command import app as data_app
from flows.models_command import models_app

app = typer.Typer(
    name="antiphon",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""Many speech and language models as one system: run it, look into each stage, find the culprit.

Start with `antiphon run cascade` (the sample set), then with your own:
`antiphon run cascade --audio talk.wav --target-language de`.

Exit codes: 0 done; 3 done, some records quarantined; 2 wrong usage or configuration; 1 failed.""",
)

app.add_typer(models_app, name="models")
app.add_typer(data_app, name="data")

FlowName = Annotated[str, typer.Argument(metavar="FLOW", help=", ".join(FLOWS))]
Config = Annotated[
    Path | None, typer.Option("-c", "--config", metavar="FILE", help="YAML file of parameters")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=VALUE", help="one parameter, such as mt.beam_size=5; may be repeated"),
]
StoreUrl = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="store: a folder, or s3://bucket/folder")
]
RunName = Annotated[str | None, typer.Option("--name", help="name of the run; the time and flow if omitted")]
Replace = Annotated[
    bool, typer.Option("--replace", help="replace the finished run of that name, once this one is finished")
]
AsJson = Annotated[bool, typer.Option("--json", help="the last line of standard output is one JSON object")]
AudioFile = Annotated[
    str | None,
    typer.Option("--audio", metavar="FILE", help="a recording (or 'talks/*.wav') instead of a data set"),
]
DataSet = Annotated[
    str | None,
    typer.Option("--data", metavar="SET", help="manifest, 'a.en,a.de', sample or multi30k:SPLIT"),
]
Language = Annotated[str | None, typer.Option("--target-language", metavar="CODE", help="such as de")]
Listing = Annotated[
    bool, typer.Option("--parameters", help="list what can be set on the flow, with defaults, and stop")
]
Yes = Annotated[bool, typer.Option("--yes", help="start a long training although nothing was set on it")]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", help="only the first N utterances")]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"antiphon {version('antiphon')}")
        raise typer.Exit


@app.callback()
def _antiphon(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """What is before the subcommands; the help of the command is the app's."""


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one argument per flag: typer reads them from the signature
    flow: FlowName,
    config: Config = None,
    assignments: Assignments = None,
    store: StoreUrl = None,
    name: RunName = None,
    replace: Replace = False,
    as_json: AsJson = False,
    audio: AudioFile = None,
    data: DataSet = None,
    target_language: Language = None,
    limit: Limit = None,
    parameters: Listing = False,
    yes: Yes = False,
) -> None:
    """Run a flow; a finished stage is reused, an interrupted one goes on where it stopped.

    Every flow has parameters of its own: `antiphon run FLOW --parameters` lists them with their defaults, and
    `--set` or a FILE sets them. A flag below that stands for a parameter which FLOW has not is refused.

    Examples:

    - `antiphon run cascade` runs the sample set: speech, transcript, translation, scores, report.

    - `antiphon run cascade --audio talk.wav --target-language de` needs no manifest.

    - `antiphon run cascade --data manifest.jsonl --set asr.beam_size=1 --set mt.model=hub:ORG/NAME`

    - `antiphon run cascade -c cascade.yaml --set mt.beam_size=5 --json`

    A later value wins: the defaults, then FILE, then the flags, then --set.
    """
    if parameters:
        from flows.listing import print_parameters

        print_parameters(flow)
        return
    shortcuts: dict[str, object] = {
        "store": store,
        "name": name,
        "replace": replace or None,
        "audio": audio,
        "data": data,
        "target_language": target_language,
        "limit": limit,
    }
    code = commanding.run_flow(flow, config, assignments or [], shortcuts, as_json=as_json, yes=yes)
    raise typer.Exit(code)


@app.command()
def inspect(
    run: Annotated[str, typer.Argument(metavar="RUN", help="name of a run")],
    stage: Annotated[str | None, typer.Option("--stage", help="only this stage, such as mt or data")] = None,
    utterance: Annotated[str | None, typer.Option("--utterance", metavar="ID", help="one utterance")] = None,
    store: StoreUrl = None,
) -> None:
    """Show a run: its stages and scores, what a stage produced, or all about one utterance.

    Examples: `antiphon inspect RUN`, with `--stage mt`, with `--utterance ID`.
    """
    from flows.inspecting import show

    show(run, stage, utterance, store)


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="names of two or more finished runs")],
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="RUN", help="the run to test against; the first if omitted"),
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

    - `antiphon compare small large --set test=randomisation --set 'metrics=[bleu, chrf, ter]'`
    """
    shortcuts: dict[str, object] = {"runs": runs, "baseline": baseline, "store": store, "name": name}
    shortcuts["replace"] = replace or None
    raise typer.Exit(commanding.compare_runs(assignments or [], shortcuts, as_json=as_json))


@app.command()
def blame(
    run: Annotated[str, typer.Argument(metavar="RUN", help="name of a finished run of speech")],
    segments: Annotated[
        str | None, typer.Option("--segments", metavar="MANIFEST", help="the recordings cut by hand")
    ] = None,
    store: StoreUrl = None,
    name: RunName = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Say which stage of a run loses what: its transcripts are put right and everything below runs again.

    Of runs of cascade, ensemble, stack and refine; what was computed is reused. The copy of the run with its
    blame is named RUN-blame.
    """
    shortcuts: dict[str, object] = {"run": run, "segments": segments, "store": store, "name": name}
    shortcuts["replace"] = replace or None
    raise typer.Exit(commanding.run_flow("blame", None, [], shortcuts, as_json=as_json))


@app.command()
def contribution(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="a finished run of ensemble, stack, refine, experts")
    ],
    assignments: Assignments = None,
    store: StoreUrl = None,
    name: RunName = None,
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Say what each part of a run's system adds: its members, sources, rounds or experts.

    The system is run again without some of its parts; leave-one-out and Shapley values with intervals.
    `--set metric=chrf` counts in another metric than BLEU.
    """
    shortcuts: dict[str, object] = {"run": run, "store": store, "name": name}
    shortcuts["replace"] = replace or None
    raise typer.Exit(commanding.run_flow("contribution", None, assignments or [], shortcuts, as_json=as_json))


@app.command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="name of a run")], store: StoreUrl = None
) -> None:
    """Write the HTML report and the plots of a run again, and print where they are."""
    from components.storage.store import Store
    from tasks.report import render_again

    typer.echo(str(render_again(run, Store(store))))


@app.command()
def merge(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="mergekit's YAML")],
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="the new model's folder")] = None,
    check: Annotated[bool, typer.Option("--check", help="only examine: can these models be merged?")] = False,
    seed: Annotated[int, typer.Option("--seed", help="of the methods that draw random numbers")] = 0,
    store: StoreUrl = None,
) -> None:
    """Merge models into a new model folder, after a check; the recipe is mergekit's YAML, as it is.

    Examples: `antiphon merge recipe.yml --check`, `antiphon merge recipe.yml merged-model`.

    Models are paths, ORG/NAME of the hub, `packaged:NAME` or `store:KEY`; `antiphon run merge` also scores
    the result and keeps it in the store.
    """
    from flows.merge_command import merge as do

    do(recipe, out, check=check, seed=seed, store=store)


def run_flow_module(flow: str) -> None:
    """`python -m flows.NAME` with the options of `antiphon run NAME`."""
    sys.argv = ["antiphon", "run", flow, *sys.argv[1:]]
    main()


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command: faults that a user can mend are one line on standard error."""
    sys.exit(_guarded(lambda: _called(sys.argv[1:] if arguments is None else arguments)))


def _called(arguments: list[str]) -> object:
    for argument in arguments:
        if not argument.isascii() and any("\udc80" <= letter <= "\udcff" for letter in argument):
            raise ConfigError(
                f"expected arguments in UTF-8, found {ascii(argument)[:200]}; "
                "rename the file, or set LC_ALL=C.UTF-8"
            )
    return app(args=arguments, standalone_mode=False)


def _guarded(call: Callable[[], object]) -> int:
    try:
        code = call()
    except typer.Exit as ending:
        return ending.exit_code
    except typer.TyperException as error:
        show = getattr(error, "show", None)  # usage errors know how to print themselves
        show() if show is not None else typer.echo(f"antiphon: {error}", err=True)
        return 2
    except ConfigError as error:
        for fault in str(error).splitlines():
            typer.echo(f"antiphon: {fault}", err=True)
        return 2
    except (AntiphonError, OSError) as error:
        typer.echo(f"antiphon: {error}", err=True)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("antiphon: interrupted", err=True)
        return 128 + signal.SIGINT
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
