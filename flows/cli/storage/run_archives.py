"""`antiphon runs export` and `import`: a run with its stages as a folder or a tar, to another store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.help.options import FinishedRun, StoreUrl
from flows.cli.storage.run_changes import write_report


def export_run(
    run: FinishedRun,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="a new folder, or a file .tar, .tar.gz or .tgz")],
    with_audio: Annotated[
        bool, typer.Option("--with-audio", help="also the recordings of its data set")
    ] = False,
    store: StoreUrl = None,
) -> None:
    """Write a run and all stages that it refers to into a folder or a tar file.

    The report, plots and texts are made again by `import`, or by `antiphon report RUN`. A folder is a store
    of its own: `antiphon inspect RUN --store OUT`. Texts of a run are taken out with `antiphon export`.
    """
    from components.storage.store import Store
    from components.storage.upkeep.archive import export_run as write_archive
    from components.text.counted_nouns import format_count
    from flows.cli.help.amounts import format_size

    manifest = write_archive(Store(store), run, out, with_audio=with_audio)
    stages = len({name.split("/")[1] for name in manifest.files if name.startswith("stages/")})
    others = f" and {', '.join(sorted(set(manifest.runs) - {run}))}" if len(manifest.runs) > 1 else ""
    typer.echo(
        f"{run}{others}: {format_count(stages, 'stage')}, {format_size(manifest.total_bytes)} in {out}"
    )


def import_run(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="what `antiphon runs export` wrote")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="another name for the run")
    ] = None,
    store: StoreUrl = None,
) -> None:
    """Take a run from an archive into the store: every file is verified, stages that are there are kept.

    The report, plots and texts are written anew, from what was verified. What a stage holds is believed as
    far as its digests go: import what you would also run.

    Examples: `antiphon runs import talk.tar.gz`, with `--name talk-2` where the name is taken.
    """
    from components.storage.store import Store
    from components.storage.upkeep.archive_import import import_run as read_archive
    from components.text.counted_nouns import format_count
    from flows.cli.help.amounts import format_size

    opened = Store(store)
    imported = read_archive(opened, source, name)
    if imported.was_here:
        typer.echo(f"{imported.run} is in {opened.backend.url} already: nothing to do")
        return
    for run in imported.reports:
        write_report(opened, run, f"the report of {run} was not written; antiphon report {run} tries again")
    size = format_size(imported.bytes)
    new = format_count(imported.new, "new stage")
    typer.echo(
        f"{imported.run}: {new}, {imported.present} there already, {size} verified, in {opened.backend.url}"
    )
