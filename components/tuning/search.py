"""The loop of a search: suggestions in batches, each new one computed once, the sampler told the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from components.files.canonical_json import digest_of
from components.tuning.samplers import Searcher, Suggestion
from components.tuning.study import AS_WRITTEN, Try
from components.tuning.variables import SearchSpace

MAX_REPEATS = 100
"""Suggestions in a row that were tried before, after which nothing new is expected."""

Evaluate = Callable[[Sequence[Try], Sequence[Try]], Sequence[Try]]
"""Tries that are to be computed, and all before them -> the tries, computed."""


class SearchResult(NamedTuple):
    """The tries in their order, and how many suggestions had been tried before."""

    tries: list[Try]
    repeats: int


def search(
    space: SearchSpace,
    searcher: Searcher,
    evaluate: Evaluate,
    tries: int,
    parallel: int,
    known: Mapping[str, Try] | None = None,
    has_time: Callable[[], bool] = lambda: True,
) -> SearchResult:
    """Try the pipeline as it is written, then what the sampler suggests.

    Args:
        space: the variables.
        searcher: the sampler.
        evaluate: computes some tries together.
        tries: how many different ones, beside the pipeline as written.
        parallel: how many at once.
        known: digest of its settings -> a try that an earlier attempt has computed.
        has_time: whether a further batch may begin.
    """
    outcomes: dict[str, Try] = {}
    known = known or {}

    def compute(batch: Sequence[dict[str, Any]]) -> None:
        """Compute the tries of a batch, and take over those that are known."""
        planned = [
            Try(number=len(outcomes) + n, settings=settings, state="failed")
            for n, settings in enumerate(batch)
        ]
        before = [*outcomes.values()]
        found = {t.number: known[key] for t in planned if (key := digest_of(t.settings)) in known}
        found = {n: t.model_copy(update={"number": n}) for n, t in found.items()}
        missing = [each for each in planned if each.number not in found]
        computed = evaluate(missing, [*before, *found.values()]) if missing else ()
        found |= {each.number: each for each in computed}
        outcomes.update({digest_of(each.settings): found[each.number] for each in planned})

    compute([{}])
    repeats = in_a_row = 0
    possible = tries if space.size is None else min(tries, space.size)
    while len(outcomes) - 1 < possible and in_a_row < MAX_REPEATS and has_time():
        batch: list[Suggestion] = []
        new: dict[str, dict[str, Any]] = {}
        while len(new) < min(parallel, possible - len(outcomes) + 1) and in_a_row < MAX_REPEATS:
            suggestion = searcher.suggest()
            key = digest_of(suggestion.settings)
            batch.append(suggestion)
            if key in outcomes or key in new:
                repeats, in_a_row = repeats + 1, in_a_row + 1
                if key in outcomes:
                    searcher.tell(batch.pop(), outcomes[key])
            else:
                new[key], in_a_row = suggestion.settings, 0
        if new:
            compute(list(new.values()))
        for suggestion in batch:
            searcher.tell(suggestion, outcomes[digest_of(suggestion.settings)])
    assert next(iter(outcomes.values())).number == AS_WRITTEN
    return SearchResult(list(outcomes.values()), repeats)


def draw_settings(space: SearchSpace, most: int, seed: int) -> list[dict[str, Any]]:
    """Return all settings of a space, in their order; of more than ``most``, as many that are drawn.

    Args:
        space: the variables.
        most: settings at most; fewer come where :data:`MAX_REPEATS` draws in a row were drawn before.
        seed: of the draw.
    """
    if space.size is not None and space.size <= most:
        every = product(*(variable.domain.all_values() for variable in space.variables.values()))
        return [dict(zip(space.variables, values, strict=True)) for values in every]
    searcher = Searcher(space, "random", [1], seed, most)
    settings: dict[str, dict[str, Any]] = {}
    repeats = 0
    while len(settings) < most and repeats < MAX_REPEATS:
        suggestion = searcher.suggest().settings
        key = digest_of(suggestion)
        repeats = repeats + 1 if key in settings else 0
        settings[key] = suggestion
    return list(settings.values())
