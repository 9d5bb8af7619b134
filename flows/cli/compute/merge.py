"""`antiphon merge`: check a recipe, and write the merged model's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from pydantic import Field

from flows.cli.help.model_flags import Values, with_flags
from flows.parameters.base import StoreParameters

if TYPE_CHECKING:
    from components.merging.merge import MergeOptions
    from components.merging.recipe.recipe import Recipe
    from components.merging.statistics.data_sets import DataSets

PANEL = "Build"


class MergeParameters(StoreParameters):
    """Parameters of a merge into a folder."""

    recipe: str = Field(description="mergekit's YAML: a file")
    out: str | None = Field(None, description="the new model's folder")
    check: bool = Field(False, description="only examine: can these models be merged?")
    data: tuple[str, ...] = Field(
        (), description="what fisher and regmean measure the models on, SET or MODEL=SET; repeatable"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of the methods that draw random numbers")
    device: str = Field("cpu", description="cuda: methods on task or singular vectors compute there")


@with_flags(MergeParameters, "check", "data", "seed", "device", "store", positional=("recipe", "out"))
def merge(values: Values) -> None:
    """Merge models into a new one, by mergekit's recipes.

    The models are checked first. Examples: `antiphon merge recipe.yml --check`, `antiphon merge recipe.yml
    merged-model`.

    Models are paths, ORG/NAME of the hub, `packaged:NAME`, `store:KEY`, or MODEL+ADAPTER with a LoRA; a
    recipe with `adapters` merges LoRAs with each other. `antiphon run merge` also scores the result.
    """
    from components.merging.merge import MergeOptions
    from flows.cli.compute.parameters.config_file import gather

    given = gather(MergeParameters, None, [], values)
    options = MergeOptions(given.seed, store=given.store, data=_data_sets(given.data), device=given.device)
    out = None if given.out is None else Path(given.out)
    _merge(Path(given.recipe), out, options, check=given.check)


def _data_sets(texts: Sequence[str]) -> DataSets:
    """Return the sets of ``--data SET`` and ``--data MODEL=SET``."""
    from components.merging.config import ALL_MODELS
    from components.merging.statistics.data_sets import DataSets

    parts = [text.partition("=") for text in texts]
    return DataSets({model if equals else ALL_MODELS: source or model for model, equals, source in parts})


def _count_models(recipe: Recipe) -> str:
    """Return how many models are merged; a base that the others are compared with is none of them."""
    from components.merging.methods.table import METHODS
    from components.text.counted_nouns import format_count

    if recipe.adapters:
        return format_count(len(recipe.adapters), "adapter")
    is_counted = recipe.base_model is None or METHODS[recipe.method].base == "counted"
    models = [model for model in recipe.models if is_counted or model != recipe.base_model]
    count = format_count(len(models), "model")
    return count if is_counted else f"{count} and {'its' if len(models) == 1 else 'their'} base"


def _examine(recipe_path: Path, out: Path | None, options: MergeOptions) -> Recipe:
    """Return a recipe whose models can be merged, and print how they differ.

    Raises:
        MergeError: they cannot, or not into ``out``.
    """
    from components.merging.checks import examine_recipe
    from components.merging.merge import check_is_new
    from components.merging.preflight import check_recipe
    from components.merging.recipe.reader import read_recipe

    recipe = read_recipe(recipe_path)
    check_recipe(recipe, options.store, options.data)
    if out is not None:
        check_is_new(out)  # before all weights are read
    diagnosis = examine_recipe(recipe, options.store)
    for line in (*diagnosis.similarities, *diagnosis.findings):
        if line not in diagnosis.refusals[:1]:  # it is raised
            typer.echo(str(line), err=True)
    diagnosis.require()
    return recipe


def _merge(recipe_path: Path, out: Path | None, options: MergeOptions, *, check: bool) -> None:
    """Examine the merge of a recipe, print what there is to say, and (unless ``check``) do it."""
    from components.errors import ConfigError, MergeError
    from components.files.files import disk_full_as_store_error
    from components.merging.merge import merge
    from components.models.adapters.sources import is_adapter
    from components.models.adapters.tensors import open_adapter
    from components.models.checkpoints import checkpoint_of

    if out is None and not check:
        raise ConfigError("merge: expected OUT, the new model's folder (or --check to examine only)")
    try:
        recipe = _examine(recipe_path, None if check else out, options)
    except MergeError as error:
        raise ConfigError(str(error)) from None
    if check or out is None:
        typer.echo(f"{recipe_path}: {recipe.method} of {_count_models(recipe)} can be merged")
        return
    with disk_full_as_store_error("the merged model", out.absolute().parent):
        merge(recipe, out, options)
    if is_adapter(out):
        adapter = open_adapter(out.absolute(), str(out))
        typer.echo(f"{adapter.folder}  adapter of rank {adapter.config.rank}  sha256 {adapter.sha256}")
        return
    checkpoint = checkpoint_of(out.absolute(), str(out))
    typer.echo(f"{checkpoint.path}  {checkpoint.architecture}  sha256 {checkpoint.sha256}")
