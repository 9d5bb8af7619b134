"""The finished hypotheses of a beam search: ranked where the search runs, read by the host once, at its end.

A finished hypothesis is a place among the continuations of one step, and every step keeps which of them its
rows went on with: back-pointers, which the host follows when all is over. So a hypothesis that finishes costs
a few small operations on the device, and no copy.

Letters in shapes: N utterances, n of them still searched, k rows each, C continuations of an utterance at a
step, W numbers that the members give a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.decoding.host_copy import copy_to_host
from components.decoding.logits_processors import FORBIDDEN

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Continuations:
    """The C best continuations of each of n utterances, in the order in which they are taken: best first.

    Attributes:
        scores: What hypotheses are ranked by, with the new token (n, C): log-probabilities and biases.
        sums: Sum of log-probabilities with it (n, C).
        log_probs: Log-probability of the new token (n, C).
        parents: Row of the beam that is continued (n, C).
        tokens: The new token (n, C).
        records: What the members gave it (n, C, W).
        ends: Whether it ends: an eos token, or the last step (n, C).
        normalized: Scores by the length with the new token (n, C).
    """

    scores: Tensor
    sums: Tensor
    log_probs: Tensor
    parents: Tensor
    tokens: Tensor
    records: Tensor
    ends: Tensor
    normalized: Tensor


@dataclass(frozen=True)
class FinishedHypothesis:
    """A finished hypothesis of T tokens with its scores.

    Attributes:
        tokens: The tokens, with eos where it ended by itself.
        log_probs: Theirs, (T,).
        records: Theirs, (T, W).
        score: Sum of log-probabilities.
        normalized: The score that hypotheses are ranked by.
    """

    tokens: list[int]
    log_probs: list[float]
    records: Tensor
    score: float
    normalized: float


class FinishedHypotheses:
    """The best k finished hypotheses of every utterance, and the steps that led to them.

    Attributes:
        worst: Normalized score of the worst of a full set of k (n,), -inf while the set is not full.
    """

    def __init__(self, n: int, k: int, device: torch.device) -> None:
        self._k = k
        self._ids = np.arange(n)
        self._normalized = torch.full((n, k), FORBIDDEN, device=device)
        self._places = torch.zeros((n, k), dtype=torch.long, device=device)  # step * k + continuation
        self.worst = self._normalized[:, -1]
        self._steps: list[tuple[Indices, Continuations, Tensor]] = []
        self._dropped: list[tuple[Indices, Tensor, Tensor]] = []

    def add(self, continuations: Continuations) -> None:
        """Add those of the best k continuations of this step that end."""
        k, step = self._k, len(self._steps)
        ended = continuations.ends[:, :k] & (continuations.scores[:, :k] > FORBIDDEN)
        if ended.device.type == "cpu" and not bool(ended.any()):  # elsewhere the question costs more
            return
        new = continuations.normalized[:, :k].masked_fill(~ended, FORBIDDEN)
        places = torch.arange(step * k, step * k + k, device=new.device).expand_as(new)
        # Stable: of equal ones those that finished before, or are better in the beam, stay.
        ranked = torch.cat([self._normalized, new], dim=1).sort(dim=1, descending=True, stable=True)
        order = ranked.indices[:, :k]
        self._normalized = ranked.values[:, :k]
        self._places = torch.cat([self._places, places], dim=1).gather(1, order)
        self.worst = self._normalized[:, -1]

    def go_on(self, continuations: Continuations, best: Tensor) -> None:
        """Keep which of the continuations each of the open rows took: ``best`` (n, k)."""
        self._steps.append((self._ids, continuations, best))

    def keep_utterances(self, indices: Tensor, positions: list[int]) -> None:
        """Keep the utterances at ``indices`` (LongTensor), which the host knows as ``positions``."""
        self._dropped.append((self._ids, self._normalized, self._places))
        self._ids = self._ids[positions]
        self._normalized, self._places = self._normalized[indices], self._places[indices]
        self.worst = self._normalized[:, -1]

    def read(self, n_best: int) -> list[list[FinishedHypothesis]]:
        """The best ``n_best`` hypotheses of every utterance, best first: one copy to the host."""
        sets = [*self._dropped, (self._ids, self._normalized, self._places)]
        ranks = torch.cat([normalized for _, normalized, _ in sets])
        places = torch.cat([places for *_, places in sets])
        parts = [continuations for _, continuations, _ in self._steps]
        table = [
            torch.cat([part.parents for part in parts]),
            torch.cat([part.tokens for part in parts]),
            torch.cat([best for *_, best in self._steps]),
            torch.cat([part.sums for part in parts]),
            torch.cat([part.log_probs for part in parts]),
            torch.cat([part.records for part in parts]),
        ]
        ranks_, places_, *columns = (part.numpy() for part in copy_to_host([ranks, places, *table]))
        utterances = np.concatenate([ids for ids, *_ in sets])
        latest = {int(u): row for row, u in enumerate(utterances)}  # an utterance's last set counts
        n = len(latest)
        rows = [latest[u] for u in range(n)]
        owners, slots = np.nonzero(ranks_[rows, :n_best] > FORBIDDEN)
        cells = (np.asarray(rows)[owners], slots)
        results: list[list[FinishedHypothesis]] = [[] for _ in range(n)]
        paths = self._follow(owners, places_[cells], columns)
        for owner, rank, path in zip(owners, ranks_[cells], paths, strict=True):
            results[owner].append(FinishedHypothesis(*path, normalized=float(rank)))
        return results

    def _follow(
        self, owners: Indices, places: Indices, columns: list[Array]
    ) -> list[tuple[list[int], list[float], Tensor, float]]:
        """Go back from ``places`` (H,) of utterances ``owners`` (H,) to their first tokens."""
        parents, tokens, best, sums, log_probs, records = columns
        last, column = places // self._k, places % self._k
        starts = np.cumsum([0, *(len(ids) for ids, *_ in self._steps)])
        parent = np.zeros_like(column)
        path = np.zeros((len(owners), len(self._steps)), dtype=np.int64)  # index into a step's flat table
        for step in range(len(self._steps) - 1, -1, -1):
            is_on = last >= step
            rows = starts[step] + np.searchsorted(self._steps[step][0], owners[is_on])
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
