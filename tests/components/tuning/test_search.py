"""The loop of a search, its samplers and its journal, on functions that need no model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from components.files.canonical_json import digest_of
from components.metrics.statistics.bootstrap import Estimate
from components.tuning.forecast import GainForecast
from components.tuning.journal import StudyJournal
from components.tuning.plots import FIGURES
from components.tuning.samplers import SAMPLERS, Searcher, choose_sampler
from components.tuning.search import SearchResult, search
from components.tuning.study import ObjectiveRecord, Study, Try
from components.tuning.tables import summarize
from components.tuning.variables import SearchSpace, read_variable

WRITTEN: dict[str, Any] = {"a.x": {"from": 0.0, "to": 4.0}, "a.n": [1, 2, 4, 8], "a.w": "simplex(3)"}


def space_of(written: dict[str, Any]) -> SearchSpace:
    return SearchSpace({key: read_variable(key, of, {"a": {}}) for key, of in written.items()})


class Worth:
    """Settings -> quality, and what it costs; counts what it is asked."""

    def __init__(self, objectives: int = 1, kill_after: int | None = None) -> None:
        self.objectives, self.kill_after = objectives, kill_after
        self.computed: list[int] = []

    def __call__(self, planned: Sequence[Try], before: Sequence[Try]) -> list[Try]:
        tries = []
        for each in planned:
            if self.kill_after is not None and len(self.computed) >= self.kill_after:
                raise KeyboardInterrupt
            self.computed.append(each.number)
            x, n = each.settings.get("a.x", 0.0), each.settings.get("a.n", 1)
            values = (-((float(x) - 1) ** 2) - abs(int(n) - 4), float(n))  # type: ignore[arg-type]
            state = "pruned" if each.number % 5 == 4 else "complete"
            rungs = (values[: self.objectives],) * (1 if state == "pruned" else 2)
            tries.append(each.model_copy(update={"state": state, "rungs": rungs}))
        return tries


def run(
    sampler: str, worth: Any, signs: Sequence[int] = (1,), known: Any = None, tries: int = 15
) -> SearchResult:
    space = space_of(WRITTEN)
    return search(space, Searcher(space, sampler, signs, 7, tries), worth, tries, 3, known)


ENDLESS = [name for name, row in SAMPLERS.items() if not row.in_order]


@pytest.mark.parametrize(("sampler", "signs"), [*((name, (1,)) for name in ENDLESS), ("nsga2", (1, -1))])
def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(
    sampler: str, signs: tuple[int, ...], tmp_path: Path
) -> None:
    whole = run(sampler, Worth(len(signs)), signs)
    journal = StudyJournal(tmp_path / "log", space_of(WRITTEN), signs)
    killed = Worth(len(signs), kill_after=8)

    def evaluate(planned: Sequence[Try], before: Sequence[Try]) -> list[Try]:
        tries = killed(planned, before)
        for each in tries:
            journal.append(each)
        return tries

    with pytest.raises(KeyboardInterrupt):
        run(sampler, evaluate, signs)
    content = (tmp_path / "log").read_bytes()
    (tmp_path / "log").write_bytes(content + b'{"torn')
    assert b"80049" not in content and b"cma:optimizer" not in content  # how a pickle in hexadecimal begins
    known = StudyJournal(tmp_path / "log", space_of(WRITTEN), signs).read()
    assert 0 < len(known) <= 8
    rest = Worth(len(signs))
    assert run(sampler, rest, signs, known) == whole
    assert len(rest.computed) == 16 - len(known)


def test_a_small_space_is_searched_to_its_end_and_no_further() -> None:
    written: dict[str, Any] = {"a.n": [1, 2, 4, 8], "a.b": "boolean"}
    space, worth = space_of(written), Worth()
    result = search(space, Searcher(space, "random", [1], 0, 50), worth, 50, 3)
    settings = {digest_of(each.settings) for each in result.tries[1:]}
    assert settings == {digest_of({"a.n": n, "a.b": b}) for n, b in product([1, 2, 4, 8], [False, True])}
    assert worth.computed == list(range(9))


def test_a_grid_is_visited_in_its_order_as_long_as_there_is_time() -> None:
    space, worth = space_of({"a.m": ["x", "y"], "a.b": [2, 4, 6]}), Worth()
    searcher = Searcher(space, "grid", [1], 0, 50)
    tries = search(space, searcher, worth, 50, 1, has_time=lambda: len(worth.computed) < 6).tries
    pairs = [(each.settings["a.m"], each.settings["a.b"]) for each in tries[1:]]
    assert pairs == [("x", 2), ("x", 4), ("x", 6), ("y", 2), ("y", 4)]


def test_tpe_finds_more_than_chance() -> None:
    best = {name: max(t.values[0] for t in run(name, Worth(), tries=40).tries) for name in ("tpe", "random")}
    assert best["tpe"] > best["random"]


def test_samplers_refuse_what_they_cannot_draw() -> None:
    categories = space_of({"a.m": ["one", "two"]})
    assert choose_sampler("auto", categories, 1) == "tpe"
    assert choose_sampler("auto", categories, 2) == "nsga2"
    with pytest.raises(ConfigError, match=r"expected numbers for cma_es, found the choices of a\.m"):
        choose_sampler("cma_es", categories, 1)
    with pytest.raises(ConfigError, match=r"expected lists for grid, found other values of a\.x, a\.w"):
        choose_sampler("grid", space_of(WRITTEN), 1)
    with pytest.raises(ConfigError, match="expected one objective for cma_es, found 2"):
        choose_sampler("cma_es", space_of({"a.n": [1, 2]}), 2)


def test_without_the_extra_its_install_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.errors.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"expects the extra 'cmaes'.* pip install 'antiphon\[cmaes\]'"):
        choose_sampler("cma_es", space_of({"a.n": [1, 2]}), 1)


def study_of(values: Sequence[tuple[float, float]], tolerance: float = 0.0) -> Study:
    objectives = (
        ObjectiveRecord(name="bleu", higher_is_better=True),
        ObjectiveRecord(name="seconds", higher_is_better=False),
    )
    tries = tuple(
        Try(number=n, settings={"a.n": n} if n else {}, state="complete", rungs=(point,))
        for n, point in enumerate(values)
    )
    return Study(
        objectives=objectives,
        variables={},
        sampler="random",
        seed=0,
        rung_sizes=(5,),
        reduction_factor=3,
        tries=tries,
        tolerance=tolerance,
    )


def test_the_winner_is_the_best_unless_a_little_may_be_given_for_speed() -> None:
    points = [(30.0, 2.0), (31.0, 4.0), (30.8, 1.0), (29.0, 0.5), (31.0, 5.0)]
    assert [each.number for each in study_of(points).front] == [1, 2, 3]
    assert study_of(points).winner.number == 1
    assert study_of(points, tolerance=0.2).winner.number == 2
    assert study_of(points, tolerance=2.0).winner.number == 3


def test_tries_are_whole_numbers_on_their_plot() -> None:
    (plot,) = FIGURES["history"](study_of([(30.0, 2.0), (31.0, 4.0), (30.8, 1.0)])).axes
    assert all(tick.is_integer() for tick in plot.get_xticks())


def forecast_of(gain: float, seconds: float) -> Try:
    forecast = GainForecast(gain=Estimate(value=gain, interval=None), seconds=seconds)
    settings = {"remedy": f"{gain:g}"}
    return Try(number=1, settings=settings, state="complete", rungs=((60 + gain,),), forecast=forecast)


@pytest.mark.parametrize(
    ("budget", "winner", "said"),
    [
        (None, 1, "not begun; --budget SECONDS tries remedy late"),
        (210.0, 1, "1 untried; 10 of 210 seconds"),
        (60.0, 2, "; remedy 3 promises most, and no time was left to compute it for all; 10 of 60 seconds"),
        (12.0, 0, "; remedy 3 promises most, and no time was left to compute it for all; 10 of 12 seconds"),
    ],
)
def test_the_winner_is_the_best_that_there_is_time_for(budget: float | None, winner: int, said: str) -> None:
    tried = [forecast_of(3, 100), forecast_of(1, 5), forecast_of(-2, 1)]
    last = Try(number=4, settings={"remedy": "late"}, state="untried")
    written = Try(number=0, settings={}, state="complete", rungs=((60.0,),))
    study = study_of([]).model_copy(
        update={
            "objectives": (ObjectiveRecord(name="chrf", higher_is_better=True),),
            "tries": (written, *(t.model_copy(update={"number": n}) for n, t in enumerate(tried, 1)), last),
            "budget": budget,
            "spent": 10.0,
        }
    )
    assert study.winner.number == winner
    assert summarize(study).endswith(said)


def test_a_search_says_that_nothing_was_tried_or_nothing_promises_a_gain() -> None:
    listed = study_of([(30.0, 1.0)])
    untried = listed.model_copy(
        update={"tries": (*listed.tries, Try(number=1, settings={"r": "x"}, state="untried"))}
    )
    assert summarize(untried) == "not begun; --budget SECONDS tries r x"
    assert summarize(study_of([(30.0, 1.0), (29.0, 2.0)])).endswith(
        "no try is better than the pipeline as it is written"
    )
