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
    from components.files import disk_full_as_store_error
    from components.merging import checks, merge
    from components.merging.io import input_models
    from components.merging.recipe import recipe
    from components.models.checkpoints import checkpoint_of

    parsed = recipe.read_recipe(recipe_path)
    merge.require_known_method(parsed)
    if out is None and not check:
        raise ConfigError("merge: expected OUT, the new model's folder (or --check to examine only)")
    with input_models.open_models(parsed, store) as (folders, checkpoints):
        examination = checks.examine(parsed, folders, checkpoints)
    for lineage in examination.similarities:
        typer.echo(str(lineage), err=True)
    for finding in examination.findings:
        typer.echo(str(finding), err=True)
    examination.require()
    if check or out is None:
        typer.echo(f"{recipe_path}: {parsed.method} of {len(parsed.models)} models can be merged")
        return
    options = merge.MergeOptions(seed=seed, store=store)
    with disk_full_as_store_error("the merged model", out.absolute().parent):
        merge.merge(parsed, out, options)
    checkpoint = checkpoint_of(out.absolute(), str(out))
    typer.echo(f"{checkpoint.path}  {checkpoint.architecture}  sha256 {checkpoint.sha256}")
