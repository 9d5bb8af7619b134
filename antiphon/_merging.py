"""Merging models into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.records import Checkpoint


def merge_models(
    recipe: str | Path,
    out: str | Path,
    *,
    data: str | Mapping[str, str] | None = None,
    seed: int = 0,
    store: str | None = None,
) -> Checkpoint:
    """Merge models as a recipe says, after a check that they fit together.

    Args:
        recipe: mergekit's YAML: a file, or its text (with line breaks). Models are folders,
            ``packaged:NAME``, ``hub:ORG/NAME`` or ``store:KEY``.
        out: the new model's folder, which must not hold files.
        data: what methods that measure the models (fisher, regmean) measure them on: a data set for all, or
            sets by the recipe's names of the models.
        seed: of the methods that draw random numbers.
        store: of ``store:KEY`` models; ``ANTIPHON_STORE`` or ./antiphon-store if None.

    Returns:
        The merged model, as settings such as ``mt.model`` take it by its ``path``.

    Raises:
        MergeError: the models do not fit together, or ``out`` holds files.
        ConfigError: the recipe is wrong; its line is named.
    """
    from components.files.files import disk_full_as_store_error
    from components.merging.checks import examine_recipe
    from components.merging.config import ALL_MODELS, recipe_of
    from components.merging.merge import MergeOptions, merge
    from components.merging.preflight import check_recipe
    from components.merging.statistics.data_sets import DataSets
    from components.models.checkpoints import checkpoint_of

    parsed, folder = recipe_of(str(recipe)), Path(out).absolute()
    sets = DataSets({ALL_MODELS: data} if isinstance(data, str) else data or {})
    check_recipe(parsed, store, sets)
    examine_recipe(parsed, store).require()
    with disk_full_as_store_error("the merged model", folder.parent):
        merge(parsed, folder, MergeOptions(seed=seed, store=store, data=sets))
    return checkpoint_of(folder, str(out))
