"""Values of a recipe's parameters: a number, a gradient over the layers, or filters by tensor name.

The rules are mergekit's. Of the places that may set a parameter the most specific one that has a value for
the tensor wins: the model inside a slice (or in ``models``), the slice, the module, the recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from components.errors import MergeError

Scalar = bool | int | float | str
TRUE, FALSE = frozenset({"true", "yes", "on"}), frozenset({"false", "no", "off"})


class Parameter(NamedTuple):
    """A parameter of a method: its type, what it is without a value (None: it must have one), and whose."""

    kind: type[bool] | type[float] | type[str]
    default: Scalar | None
    description: str
    per_model: bool = False
    optional: bool = False


class Setting(NamedTuple):
    """What a recipe says about one parameter at one place: (filter, values) in order; one value: a scalar."""

    choices: tuple[tuple[str | None, tuple[Scalar, ...]], ...]
    where: str

    def value_for(self, parameter: Parameter, tensor: str, depth: float) -> Scalar | None:
        """The value for a tensor ``depth`` (0 first layer, 1 last) into its stack; None: no filter matches.

        Several numbers are a gradient, interpolated linearly; several booleans or texts are steps.
        """
        for pattern, raw in self.choices:
            if pattern is None or pattern == "*" or pattern in tensor:
                values = [coerce(value, parameter, self.where) for value in raw]
                return _interpolate(values, depth) if values else None
        return None


Settings = Mapping[str, Setting]


def _interpolate(values: list[Scalar], depth: float) -> Scalar:
    position = depth * (len(values) - 1)
    low = int(position)
    if not all(isinstance(v, float) for v in values):
        return values[low]
    high, share = min(low + 1, len(values) - 1), position - low
    return (1 - share) * float(values[low]) + share * float(values[high])


def coerce(value: Scalar, parameter: Parameter, where: str) -> Scalar:
    """``value`` as the parameter's type. Raises :class:`MergeError` with its place where it is not one."""
    if parameter.kind is str:
        return str(value)
    if parameter.kind is bool:
        text = str(value).lower()
        if text in TRUE or text in FALSE:
            return text in TRUE
        raise MergeError(f"{where}: expected true or false, found {value!r}")
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except ValueError:
        raise MergeError(f"{where}: expected a number, found {value!r}") from None


def resolve_parameter(
    name: str, parameter: Parameter, scopes: Iterable[Settings], tensor: str, depth: float
) -> Scalar | None:
    """The parameter's value for one tensor: of the first of ``places`` that has one, else its default.

    Raises:
        MergeError: it has neither and is not optional.
    """
    for settings in scopes:
        if name in settings:
            value = settings[name].value_for(parameter, tensor, depth)
            if value is not None:
                return value
    if parameter.default is None and not parameter.optional:
        raise MergeError(f"expected parameter {name} ({parameter.description}) for {tensor}, found none")
    return parameter.default
