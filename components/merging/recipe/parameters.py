"""Parameters of merge methods: a number, a gradient over the layers, or values by filters on tensor names.

The rules are mergekit's. A parameter may be set for a model inside a slice (or in ``models``), for a slice, a
module or the whole recipe; of those that have a value for a tensor the first in this order wins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from components.errors import MergeError

Scalar = bool | int | float | str
TRUE, FALSE = frozenset({"true", "yes", "on"}), frozenset({"false", "no", "off"})


class Parameter(NamedTuple):
    """A parameter of a merge method.

    Attributes:
        kind: its type.
        default: its value where the recipe has none.
        description: what it does, in a few words.
        per_model: whether each model has a value of its own.
        optional: whether it may have no value at all; else it needs one where ``default`` is None.
        minimum: the least number that it takes; None for any.
        maximum: the greatest number that it takes; None for any.
    """

    kind: type[bool] | type[float] | type[str]
    default: Scalar | None
    description: str
    per_model: bool = False
    optional: bool = False
    minimum: float | None = None
    maximum: float | None = None

    @property
    def range(self) -> str:
        """The numbers that it takes, in words."""
        if self.minimum is None:
            return "a finite number"
        if self.maximum is None:
            return f"a number of {self.minimum:g} or more"
        return f"a number from {self.minimum:g} to {self.maximum:g}"


class Setting(NamedTuple):
    """What one mapping of a recipe says about one parameter.

    Attributes:
        choices: pairs of a filter (a part of a tensor's name; None or ``*`` for all) and values, of which the
            first that matches counts. One value is a scalar, several are a gradient over the layers.
        where: file and line, for messages.
    """

    choices: tuple[tuple[str | None, tuple[Scalar, ...]], ...]
    where: str

    def value_for(self, parameter: Parameter, tensor: str, depth: float) -> Scalar | None:
        """Return the value for one tensor, or None where no filter matches its name.

        Args:
            parameter: the parameter, for its type.
            tensor: the tensor's name.
            depth: where its layer stands in its stack: 0 is the first layer, 1 the last. Numbers are
                interpolated linearly at it; booleans and texts are steps.

        Raises:
            MergeError: A value is not of the parameter's type.
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
    """Convert a value to the type of its parameter.

    Raises:
        MergeError: It cannot be converted, or is out of range; the message begins with ``where``.
    """
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
        number = float(value)
    except ValueError:
        raise MergeError(f"{where}: expected a number, found {value!r}") from None
    too_small = parameter.minimum is not None and number < parameter.minimum
    too_large = parameter.maximum is not None and number > parameter.maximum
    if not math.isfinite(number) or too_small or too_large:
        raise MergeError(f"{where}: expected {parameter.range}, found {number:g}")
    return number


def resolve_parameter(
    name: str, parameter: Parameter, scopes: Iterable[Settings], tensor: str, depth: float
) -> Scalar | None:
    """Find a parameter's value for one tensor: that of the first scope that has one, else its default.

    Args:
        name: the parameter's name.
        parameter: its type and default.
        scopes: the settings that apply to the tensor, the most specific first.
        tensor: the tensor's name, for filters.
        depth: see :meth:`Setting.value_for`.

    Raises:
        MergeError: There is no value, and the parameter is not optional.
    """
    for settings in scopes:
        if name in settings:
            value = settings[name].value_for(parameter, tensor, depth)
            if value is not None:
                return value
    if parameter.default is None and not parameter.optional:
        raise MergeError(
            f"expected parameter {name} ({parameter.description}) for {tensor}, found none; set it under "
            "parameters"
        )
    return parameter.default
