"""The part of a recipe that merges adapters: ``adapters`` in the place of ``models``, and its parameters."""

from __future__ import annotations

from components.errors import MergeError
from components.merging.adapters.methods import ADAPTER_METHODS, AdapterMergeSettings
from components.merging.recipe.parameters import Parameter, Settings, resolve_parameter
from components.merging.recipe.recipe import Recipe
from components.text.suggestions import did_you_mean

WEIGHT = Parameter(float, 1.0, "factor of the adapter", per_model=True)
PARAMETERS = {
    "density": Parameter(float, None, "share of the values that are kept"),
    "majority_sign_method": Parameter(str, "total", "total or frequency"),
    "svd_rank": Parameter(float, None, "rank of the result", optional=True),
    "svd_clamp": Parameter(float, None, "quantile at which factors are clamped", optional=True),
}


def read_adapter_settings(recipe: Recipe) -> AdapterMergeSettings:
    """Read the method and the parameters of a recipe that merges adapters.

    Raises:
        MergeError: There is no such method or parameter, or a value is impossible.
    """
    row = ADAPTER_METHODS.get(recipe.method)
    if row is None:
        hint = did_you_mean(recipe.method, ADAPTER_METHODS)
        raise MergeError(
            f"{recipe.where}: no merge_method {recipe.method} of adapters{hint}; there are "
            f"{', '.join(ADAPTER_METHODS)}"
        )
    allowed = {
        "weight": WEIGHT,
        **({"density": PARAMETERS["density"]} if row.trims else {}),
        **({"majority_sign_method": PARAMETERS["majority_sign_method"]} if row.elects_sign else {}),
        **({name: PARAMETERS[name] for name in ("svd_rank", "svd_clamp")} if row.by_svd else {}),
    }
    _refuse_unknown(recipe.parameters, tuple(allowed), recipe.method)
    for item in recipe.adapters:
        _refuse_unknown(item.parameters, ("weight",), recipe.method)
    values = {
        name: resolve_parameter(name, parameter, [recipe.parameters], "the adapters", 0.0)
        for name, parameter in allowed.items()
        if name != "weight"
    }
    weights = tuple(
        float(
            resolve_parameter("weight", WEIGHT, [item.parameters, recipe.parameters], item.model, 0.0) or 0.0
        )
        for item in recipe.adapters
    )
    rank, clamp = values.get("svd_rank"), values.get("svd_clamp")
    settings = AdapterMergeSettings(
        method=recipe.method,
        weights=weights,
        density=float(values.get("density") or 0.0) if row.trims else 1.0,
        majority_sign_method=str(values.get("majority_sign_method", "total")),
        svd_rank=None if rank is None else int(float(rank)),
        svd_clamp=None if clamp is None else float(clamp),
    )
    _check_values(settings, recipe.where)
    return settings


def _refuse_unknown(settings: Settings, allowed: tuple[str, ...], method: str) -> None:
    for name, setting in settings.items():
        if name not in allowed:
            raise MergeError(
                f"{setting.where}: {method} of adapters has no parameter {name}"
                f"{did_you_mean(name, allowed)}; there are {', '.join(allowed)}"
            )


def _check_values(settings: AdapterMergeSettings, where: str) -> None:
    """Raise :class:`MergeError` for values out of range."""
    if not 0.0 < settings.density <= 1.0:
        raise MergeError(f"{where}: expected density above 0 and at most 1, found {settings.density:g}")
    if settings.majority_sign_method not in ("total", "frequency"):
        raise MergeError(
            f"{where}: expected majority_sign_method total or frequency, found "
            f"{settings.majority_sign_method}"
        )
    if settings.svd_rank is not None and settings.svd_rank < 1:
        raise MergeError(f"{where}: expected svd_rank of 1 or more, found {settings.svd_rank}")
    if settings.svd_clamp is not None and not 0.0 < settings.svd_clamp <= 1.0:
        raise MergeError(f"{where}: expected svd_clamp above 0 and at most 1, found {settings.svd_clamp:g}")
