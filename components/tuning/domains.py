"""The values that a setting can take in a search: a list, a range of numbers, or weights whose sum is 1."""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.errors import ConfigError
from components.text.suggestions import suggest

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

DIGITS = 3
"""Decimals of a point of a simplex, so that a file of the winner can be read."""
_SIMPLEX = re.compile(r"simplex\(\s*(\d+)\s*\)")
_RANGE_KEYS = ("from", "to", "step", "log")
_FORMS = "a list of values, {from: A, to: B}, simplex(N) or boolean"


class Domain(ABC):
    """The values of a variable, as coordinates that a sampler draws."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many values there are; None for a continuum."""

    @abstractmethod
    def distributions(self) -> list[BaseDistribution]:
        """Return Optuna's distribution of each coordinate."""

    @abstractmethod
    def value(self, coordinates: Sequence[Any]) -> Any:
        """Return the value that coordinates stand for."""

    @abstractmethod
    def parameters(self, key: str, value: Any) -> dict[str, tuple[Any, BaseDistribution]]:
        """Return a value as Optuna's files show it: name -> number or text, and the distribution of it."""

    def all_values(self) -> list[Any]:
        """Return every value; none of a continuum."""
        return []

    @abstractmethod
    def probes(self) -> list[Any]:
        """Return values that are checked before a search begins: if they are good, all should be."""


@dataclass(frozen=True)
class Choices(Domain):
    """A list of values; ascending numbers are drawn as neighbors of each other, others as categories."""

    values: tuple[Any, ...]

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.values)

    @property
    def is_ordered(self) -> bool:
        """Whether they are ascending numbers."""
        numbers = [v for v in self.values if isinstance(v, int | float) and not isinstance(v, bool)]
        return len(numbers) == len(self.values) and numbers == sorted(set(numbers))

    def distributions(self) -> list[BaseDistribution]:
        """Return that of the index."""
        from optuna.distributions import CategoricalDistribution, IntDistribution  # noqa: PLC0415 - 0.4 s

        last = len(self.values) - 1
        return [IntDistribution(0, last) if self.is_ordered else CategoricalDistribution(range(last + 1))]

    def value(self, coordinates: Sequence[Any]) -> Any:
        """Return the value of an index."""
        return self.values[int(coordinates[0])]

    def parameters(self, key: str, value: Any) -> dict[str, tuple[Any, BaseDistribution]]:
        """Return the value, as text where Optuna has no such type."""
        from optuna.distributions import CategoricalDistribution  # noqa: PLC0415 - 0.4 s

        plain = [v if isinstance(v, bool | int | float | str) else json.dumps(v) for v in self.values]
        return {key: (plain[self.values.index(value)], CategoricalDistribution(plain))}

    def all_values(self) -> list[Any]:
        """Return them."""
        return list(self.values)

    probes = all_values


@dataclass(frozen=True)
class Range(Domain):
    """Numbers from ``low`` to ``high``, both included; whole ones if both ends and the step are.

    Attributes:
        low: the least.
        high: the greatest.
        step: between neighbors; None for a continuum (1 of whole numbers).
        log: whether orders of magnitude are equally likely.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it has whole numbers only."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    @property
    def size(self) -> int | None:
        """The number of values, if there are steps."""
        step = self.step or (1 if self.is_whole else None)
        return None if step is None else math.floor((self.high - self.low) / step + 1e-9) + 1

    def distributions(self) -> list[BaseDistribution]:
        """Return that of the number."""
        from optuna.distributions import FloatDistribution, IntDistribution  # noqa: PLC0415 - 0.4 s

        if self.is_whole:
            return [IntDistribution(int(self.low), int(self.high), self.log, int(self.step or 1))]
        return [FloatDistribution(float(self.low), float(self.high), self.log, self.step)]

    def value(self, coordinates: Sequence[Any]) -> Any:
        """Return the number, of a continuum to four digits."""
        if self.is_whole:
            return int(coordinates[0])
        if self.step is not None:
            return round(float(coordinates[0]), 9)  # not 0.6000000000000001
        return min(max(float(f"{coordinates[0]:.4g}"), self.low), self.high)

    def parameters(self, key: str, value: Any) -> dict[str, tuple[Any, BaseDistribution]]:
        """Return the number."""
        return {key: (value, self.distributions()[0])}

    def all_values(self) -> list[Any]:
        """Return them, if there are steps."""
        return [self.value([self.low + n * (self.step or 1)]) for n in range(self.size or 0)]

    def probes(self) -> list[Any]:
        """Return both ends."""
        return [self.low, self.high]


@dataclass(frozen=True)
class Simplex(Domain):
    """``n`` weights from 0 to 1 whose sum is 1, all of them equally likely (Dirichlet's with parameters 1).

    Stick breaking gives it of n - 1 independent uniform coordinates (Sethuraman 1994): the first weight is
    1 - (1 - u)^(1/(n-1)), the next the same of the rest with n - 2, and so on.
    """

    n: int

    @property
    def size(self) -> None:
        """There is no end of them."""

    def distributions(self) -> list[BaseDistribution]:
        """Return uniform ones."""
        from optuna.distributions import FloatDistribution  # noqa: PLC0415 - 0.4 s

        return [FloatDistribution(0.0, 1.0) for _ in range(self.n - 1)]

    def value(self, coordinates: Sequence[Any]) -> list[float]:
        """Return the weights, to :data:`DIGITS` decimals."""
        weights, rest, left = [], 1.0, 10**DIGITS
        for number, uniform in enumerate(coordinates):
            weight = rest * (1 - (1 - uniform) ** (1 / (self.n - 1 - number)))
            weights.append(min(left, round(weight * 10**DIGITS)))
            rest, left = rest - weight, left - weights[-1]
        return [weight / 10**DIGITS for weight in (*weights, left)]

    def parameters(self, key: str, value: Any) -> dict[str, tuple[Any, BaseDistribution]]:
        """Return every weight."""
        one = self.distributions()[0]
        return {f"{key}[{number}]": (weight, one) for number, weight in enumerate(value)}

    def probes(self) -> list[Any]:
        """Return equal weights."""
        equal = [10**DIGITS // self.n] * (self.n - 1)
        return [[weight / 10**DIGITS for weight in (*equal, 10**DIGITS - sum(equal))]]


def read_domain(written: Any) -> Domain:
    """Read the values of one entry of ``search``. ConfigError, which does not say the place in the file."""
    if written == "boolean":
        return Choices((False, True))
    if isinstance(written, list | tuple):
        return _read_choices(written)
    if isinstance(written, Mapping):
        return _read_range(written)
    match = _SIMPLEX.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise ConfigError(f"expected {_FORMS}, found {written!r}")
    if not 2 <= int(match[1]) <= 32:
        raise ConfigError(f"expected simplex(N) of 2 to 32 weights, found {written}")
    return Simplex(int(match[1]))


def _read_choices(written: Sequence[Any]) -> Choices:
    if len(written) < 2:
        raise ConfigError(f"expected two or more values to choose from, found {written!r}")
    texts = [json.dumps(value, sort_keys=True) for value in written]
    if len(set(texts)) < len(texts):
        raise ConfigError(f"expected each value once, found {written!r}")
    return Choices(tuple(written))


def _read_range(written: Mapping[str, Any]) -> Range:
    for name in written:
        if name not in _RANGE_KEYS:
            raise ConfigError(f"{name}: a range has no such key{suggest(str(name), _RANGE_KEYS)}")
    low, high, step = (written.get(name) for name in ("from", "to", "step"))
    numbers = [number for number in (low, high, step) if number is not None]
    if low is None or high is None or not all(map(_is_finite, numbers)):
        raise ConfigError(f"expected {{from: A, to: B}} with two numbers, found {dict(written)!r}")
    log = written.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError(f"log: expected true or false, found {log!r}")
    if not low < high or (step is not None and not 0 < step <= high - low):
        raise ConfigError(f"expected from < to and a step that fits, found {dict(written)!r}")
    if log and (low <= 0 or step is not None):
        raise ConfigError(f"log: expected a range above 0 without step, found {dict(written)!r}")
    return Range(low, high, step, log)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
