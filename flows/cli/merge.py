"""`antiphon merge`: a recipe, its examination, a new model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import StoreUrl


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
    _merge(recipe, out, check=check, seed=seed, store=store)


def _merge(recipe_path: Path, out: Path | None, *, check: bool, seed: int, store: str | None) -> None:
    """Examine the merge of a recipe, print what there is to say, and (unless ``check``) do it."""
    from components.errors import ConfigError
    from components.files import told_when_full
    from components.merging import doctor, engine, recipe, references
    from components.models.checkpoints import checkpoint_of

    read = recipe.read(recipe_path)
    engine.known_method(read)
    if out is None and not check:
        raise ConfigError("merge: expected OUT, the new model's folder (or --check to examine only)")
    with references.opened(read, store) as (folders, checkpoints):
        found = doctor.examine(read, folders, checkpoints)
    for lineage in found.lineages:
        typer.echo(str(lineage), err=True)
    for finding in found.findings:
        typer.echo(str(finding), err=True)
    found.require()
    if check or out is None:
        typer.echo(f"{recipe_path}: {read.method} of {len(read.models)} models can be merged")
        return
    options = engine.Options(seed=seed, store=store)
    with told_when_full("the merged model", out.absolute().parent):
        engine.merge(read, out, options)
    made = checkpoint_of(out.absolute(), str(out))
    typer.echo(f"{made.path}  {made.architecture}  sha256 {made.sha256}")
