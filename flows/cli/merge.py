"""`antiphon merge`: check a recipe, and write the merged model's folder."""

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

    Models are paths, ORG/NAME of the hub, `packaged:NAME`, `store:KEY`, or MODEL+ADAPTER with a LoRA; a
    recipe with `adapters` merges LoRAs with each other. `antiphon run merge` also scores the result.
    """
    _merge(recipe, out, check=check, seed=seed, store=store)


def _merge(recipe_path: Path, out: Path | None, *, check: bool, seed: int, store: str | None) -> None:
    """Examine the merge of a recipe, print what there is to say, and (unless ``check``) do it."""
    from components.errors import ConfigError
    from components.files import disk_full_as_store_error
    from components.merging.checks import examine_recipe
    from components.merging.merge import MergeOptions, merge
    from components.merging.preflight import check_recipe
    from components.merging.recipe.reader import read_recipe
    from components.models.adapters.sources import is_adapter
    from components.models.adapters.tensors import open_adapter
    from components.models.checkpoints import checkpoint_of

    recipe = read_recipe(recipe_path)
    check_recipe(recipe, store)
    if out is None and not check:
        raise ConfigError("merge: expected OUT, the new model's folder (or --check to examine only)")
    diagnosis = examine_recipe(recipe, store)
    for similarity in diagnosis.similarities:
        typer.echo(str(similarity), err=True)
    for finding in diagnosis.findings:
        typer.echo(str(finding), err=True)
    diagnosis.require()
    if check or out is None:
        count = f"{len(recipe.adapters)} adapters" if recipe.adapters else f"{len(recipe.models)} models"
        typer.echo(f"{recipe_path}: {recipe.method} of {count} can be merged")
        return
    options = MergeOptions(seed=seed, store=store)
    with disk_full_as_store_error("the merged model", out.absolute().parent):
        merge(recipe, out, options)
    if is_adapter(out):
        adapter = open_adapter(out.absolute(), str(out))
        typer.echo(f"{adapter.folder}  adapter of rank {adapter.config.rank}  sha256 {adapter.sha256}")
        return
    checkpoint = checkpoint_of(out.absolute(), str(out))
    typer.echo(f"{checkpoint.path}  {checkpoint.architecture}  sha256 {checkpoint.sha256}")
