"""References of models with adapters: ``BASE+ADAPTER``, ``BASE+0.7*ADAPTER+0.3*ADAPTER``."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from components.checkpoint_references import split_step
from components.errors import ConfigError
from components.models.references import display_reference, split_reference
from components.stage_settings import AUTO_MODEL

_WEIGHT = re.compile(r"([+-]?[0-9.]+(?:[eE]-?[0-9]+)?)\*(.*)", re.DOTALL)
_QUOTED = re.compile(r'"([^"\n]*)"')
_WEIGHT_LIMIT = 100.0
FORM = "BASE+ADAPTER or BASE+WEIGHT*ADAPTER"


class WeightedAdapter(NamedTuple):
    """A reference of an adapter, and the factor of what it adds to the base."""

    reference: str
    weight: float = 1.0


def split_adapters(reference: str) -> tuple[str, tuple[WeightedAdapter, ...]]:
    """Split a model reference into that of its base and its adapters.

    A path that exists is a path, whatever characters it has.

    Raises:
        ConfigError: A part is empty, or a weight is no number.
    """
    if "+" not in reference or (split_reference(reference)[0] == "path" and _exists(reference)):
        return reference, ()
    base, *parts = (part.strip() for part in reference.split("+"))
    if not base or not all(parts):
        raise ConfigError(f"model: expected {FORM}, found {display_reference(reference)!r}")
    return base, tuple(_read_part(part) for part in parts)


def join_adapters(base: str, adapters: tuple[WeightedAdapter, ...]) -> str:
    """Return the reference of a base with adapters; a weight of 1 is left out."""
    return "+".join(
        [base, *(a.reference if a.weight == 1 else f"{a.weight!r}*{a.reference}" for a in adapters)]
    )


def parts_of(reference: str) -> tuple[str, ...]:
    """Return the references that a model reference is made of: the base, then the adapters.

    A checkpoint that a training kept is named as the whole training, without ``@STEP``.
    """
    base, adapters = split_adapters(reference)
    return tuple(split_step(part)[0] for part in (base, *(adapter.reference for adapter in adapters)))


def replace_parts(text: str, references: Mapping[str, str]) -> str:
    """Replace a reference, or the parts of it that are keys of ``references``; other text stays as it is.

    Of a checkpoint, ``REFERENCE@STEP``, the step stays. In a text of several lines, such as a recipe's, those
    are replaced that stand in double quotes.
    """
    if text in references or not any(name in text for name in references):
        return references.get(text, text)
    if "\n" in text:
        return _QUOTED.sub(lambda found: f'"{replace_parts(found[1], references)}"', text)

    def renamed(part: str) -> str:
        whole, step = split_step(part)
        return references[part] if part in references else references.get(whole, whole) + step

    try:
        base, adapters = split_adapters(text)
    except ConfigError:
        return text
    others = renamed(base), tuple(a._replace(reference=renamed(a.reference)) for a in adapters)
    return text if others == (base, adapters) else join_adapters(*others)


def read_adapter_setting(value: object) -> tuple[WeightedAdapter, ...]:
    """Read the setting ``adapter``: a reference, or a table reference -> weight.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, str) and value.strip():
        return tuple(_read_part(part.strip()) for part in value.split("+"))
    if isinstance(value, Mapping) and value:
        return tuple(
            WeightedAdapter(str(name), _check_weight(weight, name)) for name, weight in value.items()
        )
    raise ValueError(f"adapter: expected a reference, or {{reference: weight}}, found {value!r}")


def fold_adapter(values: Any, default_model: str) -> Any:
    """Return raw settings whose ``adapter`` has become a part of ``model``: there is one name of a model."""
    if not isinstance(values, dict) or values.get("adapter") is None:
        return values
    model = values.get("model", default_model)
    if not isinstance(model, str):
        return values  # which is refused as the wrong type
    adapters = read_adapter_setting(values["adapter"])
    if model == AUTO_MODEL:
        raise ValueError("adapter: expected the model that it was trained on as model, found none")
    rest = {name: value for name, value in values.items() if name != "adapter"}
    return {**rest, "model": join_adapters(model, adapters)}


def _read_part(part: str) -> WeightedAdapter:
    match = _WEIGHT.fullmatch(part)
    if match is None:
        return WeightedAdapter(part)
    if not match[2].strip():
        raise ConfigError(f"adapter: expected {FORM}, found {part!r}")
    return WeightedAdapter(match[2].strip(), _check_weight(match[1], match[2]))


def _check_weight(value: object, name: object) -> float:
    try:
        weight = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        weight = math.nan
    if not abs(weight) <= _WEIGHT_LIMIT or isinstance(value, bool):
        raise ConfigError(
            f"adapter {display_reference(str(name))}: expected a weight from -{_WEIGHT_LIMIT:g} to "
            f"{_WEIGHT_LIMIT:g}, found {value!r}"
        )
    return weight


def _exists(path: str) -> bool:
    return os.path.exists(os.path.expanduser(path))  # noqa: PTH110, PTH111 - as components.models does


def replace_references(settings: Any, references: Mapping[str, str]) -> Any:
    """Return settings, or a part of them, in which models have other references.

    Args:
        settings: any value of a setting.
        references: reference, such as ``node:NAME`` -> the other one.
    """
    if isinstance(settings, str):
        return replace_parts(settings, references)
    if isinstance(settings, tuple):
        return tuple(replace_references(item, references) for item in settings)
    if isinstance(settings, BaseModel):
        changed = {name: replace_references(value, references) for name, value in settings}
        return settings.model_copy(update={n: v for n, v in changed.items() if v != getattr(settings, n)})
    return settings
