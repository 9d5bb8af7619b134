"""The finished hypotheses of a beam search: ranked where the search runs, read by the host once, at its end.

A finished hypothesis is a place among the continuations of one step, and every step keeps which of them its
rows went on with: back-pointers, which the host follows when all is over. So a hypothesis that finishes costs
a few small operations on the device, and no copy.

Letters in shapes: N utterances, n of them in the batch, k rows each, C continuations of an utterance at a
step, W numbers that the members give a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.decoding.constraints.logits_processors import FORBIDDEN
from components.decoding.host_copy import copy_to_host
from components.decoding.searches.beam_step import BeamState, Choice

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FinishedHypothesis:
    """A finished hypothesis of T tokens with its scores.

    Attributes:
        tokens: the tokens, with eos where it ended by itself.
        log_probs: theirs, (T,).
        records: theirs, (T, W).
        score: sum of log-probabilities.
        normalized: the score that hypotheses are ranked by.
    """

    tokens: list[int]
    log_probs: list[float]
    records: Tensor
    score: float
    normalized: float


class _Step(NamedTuple):
    """What was chosen at a step for the utterances ``ids`` (n,), and what the members gave it (W, n * C)."""

    ids: Indices
    choice: Choice
    records: Tensor


class FinishedHypotheses:
    """The steps of a search, and the finished hypotheses of the utterances that have left it.

    Args:
        n: number N of utterances.
        k: rows of each.
    """

    def __init__(self, n: int, k: int) -> None:
        self._k = k
        self._ids = np.arange(n)
        self._steps: list[_Step] = []
        self._left: list[tuple[Indices, Tensor, Tensor]] = []

    def add(self, choice: Choice, records: Tensor) -> None:
        """Keep what a step has chosen, with the ``records`` (W, n * C) of its continuations."""
        self._steps.append(_Step(self._ids, choice, records))

    def keep_utterances(self, state: BeamState, positions: list[int]) -> None:
        """Go on with the utterances at ``positions`` alone; ``state`` is that of before."""
        self._left.append((self._ids, state.ranks.clone(), state.positions.clone()))
        self._ids = self._ids[positions]

    def read(self, state: BeamState, n_best: int) -> list[list[FinishedHypothesis]]:
        """Return the best ``n_best`` hypotheses of every utterance, best first: one copy to the host."""
        sets = [*self._left, (self._ids, state.ranks, state.positions)]
        ranks = torch.cat([ranks for _, ranks, _ in sets])
        positions = torch.cat([positions for *_, positions in sets])
        ranks_, positions_, *columns = (
            part.numpy() for part in copy_to_host([ranks, positions, *self._table()])
        )
        utterances = np.concatenate([ids for ids, *_ in sets])
        latest = {int(u): row for row, u in enumerate(utterances)}  # an utterance's last set counts
        n = len(latest)
        rows = [latest[u] for u in range(n)]
        owners, slots = np.nonzero(ranks_[rows, :n_best] > FORBIDDEN)
        cells = (np.asarray(rows)[owners], slots)
        results: list[list[FinishedHypothesis]] = [[] for _ in range(n)]
        paths = self._follow(owners, positions_[cells], columns)
        for owner, rank, path in zip(owners, ranks_[cells], paths, strict=True):
            results[owner].append(FinishedHypothesis(*path, normalized=float(rank)))
        return results

    def _table(self) -> list[Tensor]:
        """Return what all steps have chosen; the utterances of each step follow those of the step before.

        Rows of the beam, tokens, which of them go on, sums, log-probabilities and records.
        """
        choices = [step.choice for step in self._steps]
        records = [
            step.records.view(len(step.records), *step.choice.tokens.shape).permute(1, 2, 0)
            for step in self._steps
        ]
        by_width = [list(group) for _, group in groupby(choices, _count_numbers)]
        return [
            torch.cat([_orders_of(group) // group[0].log_probs.shape[1] for group in by_width]),
            torch.cat([choice.tokens for choice in choices]),
            torch.cat([choice.best for choice in choices]),
            torch.cat([choice.sums for choice in choices]),
            torch.cat([_log_probs_of(group) for group in by_width]),
            torch.cat(records),
        ]

    def _follow(
        self, owners: Indices, positions: Indices, columns: list[Array]
    ) -> list[tuple[list[int], list[float], Tensor, float]]:
        """Go back from ``positions`` (H,) of utterances ``owners`` (H,) to their first tokens."""
        parents, tokens, best, sums, log_probs, records = columns
        last, column = positions // self._k, positions % self._k
        starts = np.cumsum([0, *(len(step.ids) for step in self._steps)])
        parent = np.zeros_like(column)
        path = np.zeros((len(owners), len(self._steps)), dtype=np.int64)  # index into a step's flat table
        for step in range(len(self._steps) - 1, -1, -1):
            is_on = last >= step
            rows = starts[step] + np.searchsorted(self._steps[step].ids, owners[is_on])
            goes_on = (last > step)[is_on]
            now = np.where(goes_on, best[rows, parent[is_on]], column[is_on])
            path[is_on, step] = rows * parents.shape[1] + now
            parent[is_on] = parents[rows, now]
        flat_records = records.reshape(-1, records.shape[2])
        results = []
        for row, length in zip(path, last + 1, strict=True):
            steps = row[:length]
            results.append(
                (
                    tokens.ravel()[steps].tolist(),
                    log_probs.ravel()[steps].tolist(),
                    torch.from_numpy(flat_records[steps]),
                    float(sums.ravel()[steps[-1]]),
                )
            )
        return results


def _count_numbers(choice: Choice) -> tuple[int, int]:
    """Return tokens of a row, and of an utterance, that a step has looked at."""
    return choice.log_probs.shape[1], choice.log_probs.numel() // len(choice.order)


def _orders_of(choices: list[Choice]) -> Tensor:
    return torch.cat([choice.order for choice in choices])


def _log_probs_of(choices: list[Choice]) -> Tensor:
    """The log-probabilities (?, C) of the continuations of steps that looked at as many tokens each."""
    values = [choice.log_probs.reshape(len(choice.order), -1) for choice in choices]
    return torch.cat(values).gather(1, _orders_of(choices))
