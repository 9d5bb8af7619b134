"""Several token scorers as one: all are advanced together and mixed into one distribution.

Letters in shapes: N utterances, R rows, V tokens, M active members (those that the combiner does not give a
constant weight of zero), T generated tokens of one sequence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from weakref import proxy

import torch
from torch import Tensor

from components.decoding.combiner import Combiner
from components.decoding.finite_watch import FiniteWatch
from components.decoding.gate_features import GateFeatures, distribution_features
from components.decoding.lazy_scorer import LazyScorer
from components.decoding.moves import Move
from components.decoding.scorers import (
    StackableScorer,
    TokenScorer,
    Vocabulary,
    as_retractable,
    require_same_vocabulary,
)
from components.decoding.token_records import TokenRecords
from components.decoding.token_statistics import token_statistics
from components.errors import ConfigError, ModelError


class EnsembleScorer:
    """Advances all members by one token and combines their distributions.

    Members of weight zero are not run; each member's log-probability of the tokens that the search takes can
    be asked for until the next step.

    Attributes:
        finite: Looks for NaN in the tokens that the search takes; its ModelError names the member.
        records: How what is known of a token is laid out (:meth:`records_of`).
    """

    def __init__(
        self,
        scorers: Sequence[TokenScorer],
        combiner: Combiner,
        calls: Counter[int] | None = None,
        exact: bool = False,
        keeps_statistics: bool = False,
        *,
        stacks: bool = True,
    ) -> None:
        """Prepare to mix ``scorers``.

        Args:
            scorers: The members, prepared for the same utterances.
            combiner: How their distributions become one.
            calls: Counts the forward calls of each member by its index in ``scorers``.
            exact: Mix in the log domain throughout (see :class:`Combiner`).
            keeps_statistics: Records end with the statistics of the distributions (:meth:`observe`).
            stacks: Whether members of one architecture may run as one off the CPU; :meth:`score_tokens` asks
                each of them.

        Raises:
            ConfigError: The members differ in their vocabularies, or the combiner is for another number.
        """
        require_same_vocabulary([(scorer.name, scorer.vocabulary) for scorer in scorers])
        self._member_indices = tuple(combiner.active_members(len(scorers)))
        self._combiner, self._exact, self._calls = combiner, exact, calls
        active = [scorers[index] for index in self._member_indices]
        self._members = [LazyScorer(scorer) for scorer in active]
        self._stack = self._stack_members(active) if stacks else None
        self._stacked_scores: Tensor | None = None
        self.vocabulary: Vocabulary = scorers[0].vocabulary
        self.names = tuple(scorer.name for scorer in active)
        self.limit = min(scorer.limit for scorer in active)
        gated = combiner.gate is not None
        self._keeps_statistics = keeps_statistics
        self._weights_on_device = torch.zeros(0) if gated else combiner.constant_weights()
        weights = None if gated else tuple(self._weights_on_device.tolist())
        self.records = TokenRecords(len(self._members), weights, keeps_statistics)
        self._gate_features = GateFeatures(len(self._members))
        self._scores: list[Tensor | None] = [None] * len(self._members)
        self._weights = torch.zeros(0)
        self._log_normalizers = torch.zeros(0)
        self._statistics = torch.zeros(0)
        # Without a circle of references the members' caches are free as soon as the search is over.
        self.finite = FiniteWatch(partial(EnsembleScorer._raise_not_finite, proxy(self)))
        self.n_steps = 0
        self._device: torch.device | None = None  # where the distributions are mixed: the first member's

    @property
    def has_gate(self) -> bool:
        """Whether the members' weights differ by token."""
        return self._combiner.gate is not None

    def _stack_members(self, active: Sequence[TokenScorer]) -> LazyScorer | None:
        """All members as one scorer, where they are of one architecture and always run together."""
        first, *others = active
        gate = self._combiner.gate
        if not others or not isinstance(first, StackableScorer) or (gate is not None and gate.lagged):
            return None
        stacked = first.stack(others)
        return None if stacked is None else LazyScorer(stacked)

    def prefill(self) -> Tensor:
        """Combined log-probabilities (N, V) of the first token."""
        return self._mix()

    def step(self, beam_indices: Tensor, tokens: Tensor, move: Move | None = None) -> Tensor:
        """Combined log-probabilities (R, V) of the next token; see :meth:`TokenScorer.step`.

        Args:
            beam_indices: LongTensor (R,): row r continues row ``beam_indices[r]``.
            tokens: LongTensor (R,): the token that each row takes.
            move: What the search knows of ``beam_indices``, for the members.
        """
        if self._combiner.gate is not None:
            self._gate_features.reorder(beam_indices, self._log_probs_of(beam_indices, tokens))
        for member in self._members if self._stack is None else [self._stack]:
            member.push(beam_indices, tokens, move)
        self.n_steps += 1
        return self._mix()

    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Append ``tokens`` (R, t) to every row, in one pass of every member; not with a gate.

        Returns:
            Combined log-probabilities (R * t, V) after every one of them, those of a row together. Rows of
            :meth:`records_of` are counted likewise.
        """
        scores = []
        for index, member in enumerate(self._members):
            self._scores[index] = None
            scorer = as_retractable(member.scorer)
            scored = scorer.score_tokens(member.bring(beam_indices), member.bring(tokens))
            scores.append(scored.flatten(0, 1).to(beam_indices.device, non_blocking=True))
            self._scores[index] = scores[-1]
            member.calls += 1
        self._count_calls()
        mixture = self._combiner(scores, self._weights_on_device.to(scores[0].device), self._exact)
        self._log_normalizers = mixture.log_normalizers
        return mixture.log_probs

    @property
    def is_ragged(self) -> bool:
        """Whether rows of every member may retract different numbers of tokens."""
        return all(as_retractable(member.scorer).is_ragged for member in self._members)

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens of row r; see :meth:`RetractableScorer.retract`."""
        for member in self._members:
            as_retractable(member.scorer).retract(member.bring(counts))

    def _mix(self) -> Tensor:
        gate, indices = self._combiner.gate, list(range(len(self._members)))
        weights = self._weights_on_device if gate is None else None
        is_run: Tensor | None = None  # (M, R): the members that each row needs; None: all
        if gate is not None and gate.lagged:
            weights = gate(self._gate_features.values, self.n_steps)
            is_run = weights != 0
            # The one question that a step may ask: members that no row needs are not run.
            indices = [index for index, needed in enumerate(is_run.any(dim=1).tolist()) if needed]
        scores = self._run_members(indices)
        rows, device = len(scores[0]), scores[0].device
        if is_run is not None:
            is_run = is_run.to(device).expand(-1, rows)
        if gate is not None:
            self._observe(indices, scores, is_run)
        if weights is None:
            assert gate is not None
            weights = gate(self._gate_features.values, self.n_steps)
        weights = weights.to(device)
        if gate is None:
            self._weights_on_device = weights
        if weights.dim() > 1:
            weights = weights.expand(-1, rows)
        self._weights = weights
        if len(indices) == len(self._members):
            mixture = self._combiner(scores, weights, self._exact)
            self._log_normalizers = mixture.log_normalizers
        else:
            mixture = self._combiner(scores, torch.stack([weights[i] for i in indices]), self._exact)
            self._log_normalizers = mixture.log_normalizers.new_full((len(self._members), rows), torch.nan)
            for index, values in zip(indices, mixture.log_normalizers, strict=True):
                self._log_normalizers[index] = values
        if is_run is not None:  # a member that ran for other rows only counts as not run, as if alone
            self._log_normalizers.masked_fill_(~is_run, torch.nan)
        return mixture.log_probs

    def _observe(self, indices: Sequence[int], scores: Sequence[Tensor], is_run: Tensor | None) -> None:
        """Update the gate's features with the distributions of the members that were run."""
        self._gate_features.expand(len(scores[0]), scores[0].device)
        for index, member_scores in zip(indices, scores, strict=True):
            rows = None if is_run is None else is_run[index]
            self._gate_features.observe(index, distribution_features(member_scores), rows)

    def _run_members(self, indices: Sequence[int]) -> list[Tensor]:
        """Scores (R, V) of the members at ``indices``; the others have no scores at this step."""
        if self._stack is not None:
            self._scores = [None] * len(self._members)  # freed first, as below
            self._stacked_scores = None
            self._stacked_scores = self._stack.run()
            self._count_calls()
            scores = list(self._stacked_scores.unbind())
            self._scores = [*scores]
            return scores
        for index, member in enumerate(self._members):
            self._scores[index] = None  # freed first, so that the new scores can take its memory
            self._scores[index] = self._to_mix(member.run()) if index in indices else None
        scores = [member_scores for member_scores in self._scores if member_scores is not None]
        shapes = {tuple(member_scores.shape) for member_scores in scores}
        if len(shapes) > 1:
            raise ConfigError(
                f"expected members prepared for the same utterances, found scores of shapes {sorted(shapes)}"
            )
        self._count_calls()
        return scores

    def _to_mix(self, scores: Tensor) -> Tensor:
        """A member's scores where they are mixed."""
        self._device = self._device or scores.device
        return scores.to(self._device, non_blocking=True)

    def _count_calls(self) -> None:
        if self._calls is not None:
            for index, member in zip(self._member_indices, self._members, strict=True):
                counted = member if self._stack is None else self._stack
                self._calls[index] += counted.calls
            for member in self._members if self._stack is None else [self._stack]:
                member.calls = 0

    def _log_probs_of(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities (M, R') that the members gave ``tokens`` at ``rows``; NaN: was not run."""
        if self._stacked_scores is not None:
            return self._stacked_scores[:, rows, tokens] - self._log_normalizers[:, rows]
        log_probs = [
            torch.full(rows.shape, torch.nan, device=rows.device)
            if member_scores is None
            else member_scores[rows, tokens]
            for member_scores in self._scores
        ]
        return torch.stack(log_probs) - self._log_normalizers[:, rows]

    def observe(self, log_probs: Tensor) -> None:
        """Keep the statistics of the present step's distributions (R, V), where that is asked for."""
        if self._keeps_statistics:
            self._statistics = token_statistics(log_probs)

    def records_of(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """What is known of ``tokens`` (R',) at ``rows`` (R',) of the present step.

        Returns:
            (W, R'), laid out as :attr:`records` says: the log-probabilities that the M active members gave
            them, where a gate gives the weights the M weights, and where they are kept the statistics of the
            distribution.
        """
        parts = [self._log_probs_of(rows, tokens)]
        if self._combiner.gate is not None:
            parts.append(self._weights[:, rows])
        if self._keeps_statistics:
            parts.append(self._statistics[:, rows])
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _raise_not_finite(self) -> None:
        pairs = [(n, s) for n, s in zip(self.names, self._scores, strict=True) if s is not None]
        bad = [name for name, member_scores in pairs if not bool((member_scores < torch.inf).all())]
        raise ModelError(
            f"expected finite log-probabilities, found NaN or infinity from "
            f"{', '.join(bad or self.names)}: check its weights, or use float32"
        )
