"""Which candidates are tried where there are more than tries: Optuna's constrained multi-objective sampler.

Tree-structured Parzen estimators over the templates, and over the models and settings of each (Bergstra et
al. 2011; several objectives: Ozaki et al. 2022); what breaks a limit counts as worse than all that keeps it.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence

from components.design.candidates import Candidate
from components.design.racing.race import Known
from components.tuning.samplers import directions_of

MAX_REPEATS = 5
"""Draws in a row that were proposed before, after which one like the last of them is taken."""
_VIOLATION = "violation"


class Sampled:
    """Some of the candidates, drawn by what became of those before.

    Args:
        candidates: all of them.
        tries: how many to propose.
        higher_is_better: whether more of the score is better.
        seed: of the sampler.
    """

    def __init__(
        self, candidates: Sequence[Candidate], tries: int, *, higher_is_better: bool, seed: int
    ) -> None:
        import optuna  # noqa: PLC0415 - 0.4 s

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that some options are experimental
            sampler = optuna.samplers.TPESampler(
                seed=seed,
                n_startup_trials=max(4, tries // 4),
                multivariate=True,
                group=True,
                constraints_func=lambda trial: (trial.user_attrs[_VIOLATION],),
            )
        directions = directions_of((1 if higher_is_better else -1, -1))
        self._study = optuna.create_study(sampler=sampler, directions=directions)
        self._trials: dict[int, optuna.Trial] = {}
        self._candidates, self._left = candidates, min(tries, len(candidates))
        self._random = random.Random(seed)  # noqa: S311 - a draw, no secret

    def propose(self, n: int) -> Sequence[int]:
        """Return the next ones."""
        from optuna.trial import TrialState  # noqa: PLC0415 - 0.4 s

        batch: list[int] = []
        repeats, number = 0, -1
        while len(batch) < min(n, self._left):
            if repeats == MAX_REPEATS:
                self._study.enqueue_trial(dict(self._nearest(number)))
            trial = self._study.ask()
            number = self._draw(trial)
            if number in self._trials:
                self._study.tell(trial, state=TrialState.FAIL)
                repeats += 1
            else:
                self._trials[number] = trial
                batch.append(number)
                repeats = 0
        self._left -= len(batch)
        return batch

    def tell(self, number: int, known: Known) -> None:
        """Tell the sampler."""
        from optuna.trial import TrialState  # noqa: PLC0415 - 0.4 s

        trial = self._trials[number]
        if isinstance(known, str):
            self._study.tell(trial, state=TrialState.FAIL)
            return
        trial.set_user_attr(_VIOLATION, known.violation)
        self._study.tell(trial, (known.statistics.score(), known.cost))

    def _nearest(self, number: int) -> tuple[tuple[str, str], ...]:
        """Return the choices of one that was not proposed and shares most with a candidate."""
        wanted = set(self._candidates[number].choices)
        others = [k for k in range(len(self._candidates)) if k not in self._trials]
        self._random.shuffle(others)
        nearest = max(others, key=lambda other: len(wanted & set(self._candidates[other].choices)))
        return self._candidates[nearest].choices

    def _draw(self, trial: object) -> int:
        """Return the candidate of a trial, which chooses among those that are left, one choice at a time."""
        left = list(range(len(self._candidates)))
        depth = 0
        while len(left) > 1:
            name = self._candidates[left[0]].choices[depth][0]
            values = dict.fromkeys(self._candidates[number].choices[depth][1] for number in left)
            value = trial.suggest_categorical(name, [*values])  # type: ignore[attr-defined]
            left = [number for number in left if self._candidates[number].choices[depth][1] == value]
            depth += 1
        return left[0]
