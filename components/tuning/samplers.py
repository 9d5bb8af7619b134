"""Where the next tries come from: Optuna's samplers, asked for suggestions and told what came of them.

A study lives in memory, and is made again by asking and telling in the same order: a sampler is a function
of its seed and of what it was told. (Optuna's CMA-ES would keep its state as a pickle among the attributes of
its trials, and a resumed TPE would draw the random numbers of its beginning again.)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from components.errors import ConfigError, require_extra
from components.tuning.domains import Choices
from components.tuning.study import Try
from components.tuning.variables import SearchSpace

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna import Trial
    from optuna.samplers import BaseSampler

SamplerName = Literal["auto", "tpe", "cma_es", "nsga2", "random", "grid"]


class SamplerRow(NamedTuple):
    """A sampler.

    Attributes:
        summary: what it does, with its source.
        build: makes it, of a seed and the number of tries.
        several: whether it optimizes several objectives.
        categories: whether it draws choices that are not ascending numbers.
        in_order: whether it tries all combinations in their order; variables have to be lists.
    """

    summary: str
    build: Callable[[int, int], BaseSampler]
    several: bool = True
    categories: bool = True
    in_order: bool = False


def _tpe(seed: int, tries: int) -> BaseSampler:
    from optuna.samplers import TPESampler  # noqa: PLC0415 - 0.4 s

    return TPESampler(seed=seed, n_startup_trials=min(10, max(2, tries // 4)))


def _cma_es(seed: int, tries: int) -> BaseSampler:
    from optuna.samplers import CmaEsSampler  # noqa: PLC0415 - 0.4 s

    return CmaEsSampler(seed=seed, warn_independent_sampling=False)


def _nsga2(seed: int, tries: int) -> BaseSampler:
    from optuna.samplers import NSGAIISampler  # noqa: PLC0415 - 0.4 s

    return NSGAIISampler(seed=seed, population_size=min(50, max(4, tries // 4)))


def _random(seed: int, tries: int) -> BaseSampler:
    from optuna.samplers import RandomSampler  # noqa: PLC0415 - 0.4 s

    return RandomSampler(seed=seed)


SAMPLERS: dict[str, SamplerRow] = {
    "tpe": SamplerRow("tree-structured Parzen estimators (Bergstra et al. 2011)", _tpe),
    "cma_es": SamplerRow(
        "covariance matrix adaptation (Hansen and Ostermeier 2001), of numbers only",
        _cma_es,
        several=False,
        categories=False,
    ),
    "nsga2": SamplerRow("genetic algorithm for several objectives (Deb et al. 2002)", _nsga2),
    "random": SamplerRow("independent draws", _random),
    "grid": SamplerRow("every combination of lists, in the order written", _random, in_order=True),
}
"""Name -> sampler; all of them are Optuna's."""
assert {*SAMPLERS, "auto"} == set(get_args(SamplerName))


def choose_sampler(name: SamplerName, space: SearchSpace, objectives: int) -> str:
    """Return the sampler's name; ``auto`` is TPE, and NSGA-II of two objectives.

    Raises:
        ConfigError: it cannot draw from the space, optimizes one objective only, or is not installed.
    """
    if name == "auto":
        return "nsga2" if objectives > 1 else "tpe"
    row = SAMPLERS[name]
    if name == "cma_es":
        require_extra("sampler: cma_es", "cmaes", "cmaes", ", or take tpe")
    if objectives > 1 and not row.several:
        raise ConfigError(f"sampler: expected one objective for {name}, found {objectives}; take nsga2")
    categories = [
        key
        for key, variable in space.variables.items()
        if isinstance(variable.domain, Choices) and not variable.domain.is_ordered
    ]
    if categories and not row.categories:
        raise ConfigError(
            f"sampler: expected numbers for {name}, found the choices of {', '.join(categories)}; take tpe"
        )
    no_lists = [key for key, variable in space.variables.items() if not isinstance(variable.domain, Choices)]
    if no_lists and row.in_order:
        raise ConfigError(f"sampler: expected lists for {name}, found other values of {', '.join(no_lists)}")
    return name


@dataclass(frozen=True)
class Suggestion:
    """Settings that a sampler suggests: key of a variable -> value."""

    settings: dict[str, Any]
    trial: Trial


def directions_of(signs: Sequence[int]) -> list[Literal["maximize", "minimize"]]:
    """Return optuna's words for what is better."""
    return ["maximize" if sign > 0 else "minimize" for sign in signs]


class Searcher:
    """A sampler over a space.

    Args:
        space: the variables.
        sampler: a row of :data:`SAMPLERS`.
        signs: 1 for each objective of which more is better, else -1.
        seed: of the sampler.
        tries: how many there will be.
    """

    def __init__(self, space: SearchSpace, sampler: str, signs: Sequence[int], seed: int, tries: int) -> None:
        import optuna  # noqa: PLC0415 - 0.4 s

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._one = len(signs) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Optuna calls experimental
            built = SAMPLERS[sampler].build(seed, tries)
        self._study: OptunaStudy = optuna.create_study(sampler=built, directions=directions_of(signs))
        if SAMPLERS[sampler].in_order:
            for point in product(*(range(v.domain.size or 0) for v in space.variables.values())):
                self._study.enqueue_trial(dict(zip(space.variables, point, strict=True)))

    def suggest(self) -> Suggestion:
        """Suggest one try; it counts as running until it is told."""
        domains = {key: variable.domain for key, variable in self._space.variables.items()}
        names = {key: variable.coordinates for key, variable in self._space.variables.items()}
        trial = self._study.ask(
            {
                name: distribution
                for key, domain in domains.items()
                for name, distribution in zip(names[key], domain.distributions(), strict=True)
            }
        )
        settings = {
            key: domain.value([trial.params[n] for n in names[key]]) for key, domain in domains.items()
        }
        return Suggestion(settings, trial)

    def tell(self, suggestion: Suggestion, outcome: Try) -> None:
        """Tell what came of a suggestion."""
        from optuna.trial import TrialState  # noqa: PLC0415 - 0.4 s

        if self._one:
            for rung, (value,) in enumerate(outcome.rungs):
                suggestion.trial.report(value, rung)
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        values = outcome.values if outcome.state == "complete" else None
        self._study.tell(suggestion.trial, values, states[outcome.state])
