"""The members of one search, advanced together and mixed into one distribution."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.candidates import MemberScores
from components.decoding.combiner import Combiner
from components.decoding.gate_features import GateFeatures, distribution_features
from components.decoding.lazy_scorer import LazyScorer
from components.decoding.scorers import TokenScorer, Vocabulary, require_same_vocabulary
from components.errors import ConfigError, ModelError


class EnsembleScorer:
    """Runs the members that count in step and keeps what each of them said about the present token.

    ``calls``, if given, counts forward calls by the member's place in ``members``. ``exact`` mixes in the log
    domain throughout.
    """

    def __init__(
        self,
        scorers: Sequence[TokenScorer],
        combiner: Combiner,
        calls: Counter[int] | None = None,
        exact: bool = False,
    ) -> None:
        require_same_vocabulary([(member.name, member.vocabulary) for member in scorers])
        self._member_indices = tuple(combiner.active_members(len(scorers)))
        self._combiner, self._exact, self._calls = combiner, exact, calls
        self._scorers = [LazyScorer(scorers[index]) for index in self._member_indices]
        self.vocabulary: Vocabulary = scorers[0].vocabulary
        self.names = tuple(lane.scorer.name for lane in self._scorers)
        self.limit = min(lane.scorer.limit for lane in self._scorers)
        self.width = len(self._scorers) * (1 if combiner.gate is None else 2)
        self._constant_weights = (
            () if combiner.gate is not None else tuple(combiner.constant_weights().tolist())
        )
        self._gate_features = GateFeatures(len(self._scorers))
        self._scores: list[Tensor | None] = [None] * len(self._scorers)
        self._weights = torch.zeros(0)
        self._log_normalizers = torch.zeros(0)
        self.n_steps = 0

    def prefill(self) -> Tensor:
        """Combined log-probabilities (N, V) of the first token."""
        return self._mix()

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Combined log-probabilities (R, V); see :meth:`TokenScorer.step`."""
        if self._combiner.gate is not None:
            self._gate_features.reorder(beam_indices, self._log_probs_of(beam_indices, tokens))
        for lane in self._scorers:
            lane.push(beam_indices, tokens)
        self.n_steps += 1
        return self._mix()

    def _mix(self) -> Tensor:
        gate, run_members = self._combiner.gate, list(range(len(self._scorers)))
        weights = self._combiner.constant_weights() if gate is None else None
        is_run: Tensor | None = None  # (M, R), whom each row runs; None: all
        if gate is not None and gate.lagged:
            weights = gate(self._gate_features.values, self.n_steps)
            is_run = weights != 0
            run_members = is_run.any(dim=1).nonzero()[:, 0].tolist()
        scores = self._run_members(run_members)
        rows, device = len(scores[0]), scores[0].device
        if is_run is not None:
            is_run = is_run.to(device).expand(-1, rows)
        if gate is not None:
            self._gate_features.expand(rows, device)
            for member, member_scores in zip(run_members, scores, strict=True):
                self._gate_features.observe(
                    member, distribution_features(member_scores), None if is_run is None else is_run[member]
                )
        if weights is None:
            assert gate is not None
            weights = gate(self._gate_features.values, self.n_steps)
        weights = weights.to(device)
        if weights.dim() > 1:
            weights = weights.expand(-1, rows)
        mixture = self._combiner(scores, weights[run_members], self._exact)
        self._weights = weights
        self._log_normalizers = mixture.log_normalizers.new_full((len(self._scorers), rows), torch.nan)
        self._log_normalizers[run_members] = mixture.log_normalizers
        if (
            is_run is not None
        ):  # a member that was run for other rows said nothing here, as if this were alone
            self._log_normalizers.masked_fill_(~is_run, torch.nan)
        return mixture.log_probs

    def _run_members(self, members: Sequence[int]) -> list[Tensor]:
        """Scores (R, V) of the members at ``places``; those of the others are nothing at this step."""
        for member, lane in enumerate(self._scorers):
            self._scores[member] = None  # given back first, so that the new scores can take its memory
            self._scores[member] = lane.run() if member in members else None
        scores = [each for each in self._scores if each is not None]
        self._count_calls(scores)
        return scores

    def _count_calls(self, scores: Sequence[Tensor]) -> None:
        shapes = {tuple(each.shape) for each in scores}
        if len(shapes) > 1:
            raise ConfigError(
                f"expected members prepared for the same utterances, found shapes {sorted(shapes)}"
            )
        if self._calls is not None:
            for place, lane in zip(self._member_indices, self._scorers, strict=True):
                self._calls[place] += lane.calls
                lane.calls = 0

    def _log_probs_of(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities (M, R') that the members gave ``tokens`` at ``rows``; NaN: was not run."""
        log_probs = [
            torch.full(rows.shape, torch.nan, device=rows.device) if each is None else each[rows, tokens]
            for each in self._scores
        ]
        return torch.stack(log_probs) - self._log_normalizers[:, rows]

    def member_log_probs(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """What each active member gave ``tokens`` (R',) at ``rows`` (R',) of the present step: (W, R').

        W is :attr:`width`: M log-probabilities, and where weights depend on the context the M weights.
        """
        log_probs = self._log_probs_of(rows, tokens)
        return log_probs if self._combiner.gate is None else torch.cat([log_probs, self._weights[:, rows]])

    def to_member_scores(self, step_scores: Tensor) -> tuple[MemberScores, MemberScores]:
        """Votes (T, W) of one sequence -> every member's log-probabilities and weights."""
        n = len(self._scorers)
        columns = [
            tuple(None if math.isnan(v) else v for v in column) for column in step_scores[:, :n].T.tolist()
        ]
        if self._combiner.gate is None:
            return tuple(columns), tuple((w,) * len(step_scores) for w in self._constant_weights)
        return tuple(columns), tuple(map(tuple, step_scores[:, n:].T.tolist()))

    def require_finite(self, values: Tensor) -> None:
        """Raise a ModelError that names the member when NaN has reached the chosen values."""
        if not bool(values.isnan().any()):
            return
        pairs = [(n, s) for n, s in zip(self.names, self._scores, strict=True) if s is not None]
        bad = [name for name, each in pairs if not bool((each < torch.inf).all())]
        raise ModelError(
            f"expected finite log-probabilities, found NaN or infinity from "
            f"{', '.join(bad or self.names)}: check its weights, or use float32"
        )
