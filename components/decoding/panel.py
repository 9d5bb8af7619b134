"""The members of one search, advanced together and mixed into one distribution."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.candidates import Votes
from components.decoding.combine import Combiner
from components.decoding.context import Context, distribution_features
from components.decoding.lanes import Lane
from components.decoding.members import Member, Vocabulary, require_one_vocabulary
from components.errors import ConfigError, ModelError


class Panel:
    """Runs the members that count in step and keeps what each of them said about the present token.

    ``calls``, if given, counts forward calls by the member's place in ``members``. ``exact`` mixes in the log
    domain throughout.
    """

    def __init__(
        self,
        members: Sequence[Member],
        combine: Combiner,
        calls: Counter[int] | None = None,
        exact: bool = False,
    ) -> None:
        require_one_vocabulary([(member.name, member.vocabulary) for member in members])
        self._places = tuple(combine.active(len(members)))
        self._combine, self._exact, self._calls = combine, exact, calls
        self._lanes = [Lane(members[place]) for place in self._places]
        self.vocabulary: Vocabulary = members[0].vocabulary
        self.names = tuple(lane.member.name for lane in self._lanes)
        self.limit = min(lane.member.limit for lane in self._lanes)
        self.width = len(self._lanes) * (1 if combine.gate is None else 2)
        self._constants = () if combine.gate is not None else tuple(combine.constants().tolist())
        self._context = Context(len(self._lanes))
        self._scores: list[Tensor | None] = [None] * len(self._lanes)
        self._weights = torch.zeros(0)
        self._normalisers = torch.zeros(0)
        self.step = 0

    def begin(self) -> Tensor:
        """Combined log-probabilities (N, V) of the first token."""
        return self._mix()

    def advance(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """Combined log-probabilities (R, V); see :meth:`Member.advance`."""
        if self._combine.gate is not None:
            self._context.follow(parents, self._given(parents, tokens))
        for lane in self._lanes:
            lane.push(parents, tokens)
        self.step += 1
        return self._mix()

    def _mix(self) -> Tensor:
        gate, ran = self._combine.gate, list(range(len(self._lanes)))
        weights = self._combine.constants() if gate is None else None
        used: Tensor | None = None  # (M, R), whom each row runs; None: all
        if gate is not None and gate.lagged:
            weights = gate(self._context.features, self.step)
            used = weights != 0
            ran = used.any(dim=1).nonzero()[:, 0].tolist()
        scores = self._run(ran)
        rows, device = len(scores[0]), scores[0].device
        if used is not None:
            used = used.to(device).expand(-1, rows)
        if gate is not None:
            self._context.widen(rows, device)
            for place, each in zip(ran, scores, strict=True):
                self._context.look(place, distribution_features(each), None if used is None else used[place])
        if weights is None:
            assert gate is not None
            weights = gate(self._context.features, self.step)
        weights = weights.to(device)
        if weights.dim() > 1:
            weights = weights.expand(-1, rows)
        mixed = self._combine(scores, weights[ran], self._exact)
        self._weights = weights
        self._normalisers = mixed.normalisers.new_full((len(self._lanes), rows), torch.nan)
        self._normalisers[ran] = mixed.normalisers
        if used is not None:  # a member that was run for other rows said nothing here, as if this were alone
            self._normalisers.masked_fill_(~used, torch.nan)
        return mixed.log_probs

    def _run(self, places: Sequence[int]) -> list[Tensor]:
        """Scores (R, V) of the members at ``places``; those of the others are nothing at this step."""
        for place, lane in enumerate(self._lanes):
            self._scores[place] = None  # given back first, so that the new scores can take its memory
            self._scores[place] = lane.run() if place in places else None
        scores = [each for each in self._scores if each is not None]
        self._count(scores)
        return scores

    def _count(self, scores: Sequence[Tensor]) -> None:
        shapes = {tuple(each.shape) for each in scores}
        if len(shapes) > 1:
            raise ConfigError(
                f"expected members prepared for the same utterances, found shapes {sorted(shapes)}"
            )
        if self._calls is not None:
            for place, lane in zip(self._places, self._lanes, strict=True):
                self._calls[place] += lane.calls
                lane.calls = 0

    def _given(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities (M, R') that the members gave ``tokens`` at ``rows``; NaN: was not run."""
        given = [
            torch.full(rows.shape, torch.nan, device=rows.device) if each is None else each[rows, tokens]
            for each in self._scores
        ]
        return torch.stack(given) - self._normalisers[:, rows]

    def votes(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """What each active member gave ``tokens`` (R',) at ``rows`` (R',) of the present step: (W, R').

        W is :attr:`width`: M log-probabilities, and where weights depend on the context the M weights.
        """
        given = self._given(rows, tokens)
        return given if self._combine.gate is None else torch.cat([given, self._weights[:, rows]])

    def told(self, votes: Tensor) -> tuple[Votes, Votes]:
        """Votes (T, W) of one sequence -> every member's log-probabilities and weights."""
        n = len(self._lanes)
        columns = [tuple(None if math.isnan(v) else v for v in column) for column in votes[:, :n].T.tolist()]
        if self._combine.gate is None:
            return tuple(columns), tuple((w,) * len(votes) for w in self._constants)
        return tuple(columns), tuple(map(tuple, votes[:, n:].T.tolist()))

    def check(self, values: Tensor) -> None:
        """Raise a ModelError that names the member when NaN has reached the chosen values."""
        if not bool(values.isnan().any()):
            return
        pairs = [(n, s) for n, s in zip(self.names, self._scores, strict=True) if s is not None]
        bad = [name for name, each in pairs if not bool((each < torch.inf).all())]
        raise ModelError(
            f"expected finite log-probabilities, found NaN or infinity from "
            f"{', '.join(bad or self.names)}: check its weights, or use float32"
        )
