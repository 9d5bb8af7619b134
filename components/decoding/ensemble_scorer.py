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

from components.decoding.combiner import Combiner, Gate
from components.decoding.finite_watch import FiniteWatch
from components.decoding.gate_features import (
    append_token,
    distribution_features,
    features_of,
    initial_state,
    observe,
    steps_of,
)
from components.decoding.logits_processors import Suppress
from components.decoding.member_groups import MemberGroup, group_members, run_groups, scores_at, scores_of
from components.decoding.moves import Move
from components.decoding.scorers import (
    TokenScorer,
    Vocabulary,
    as_retractable,
    require_same_vocabulary,
)
from components.decoding.step_mixture import MixesInStep, StepMixture
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
        best: The best tokens of every row of the present step, their log-probabilities first, (R, W) each;
            None: nobody asked for them (:meth:`find_best`).
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
        rules: Sequence[Suppress] = (),
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
            rules: What is never allowed, in whatever is combined.

        Raises:
            ConfigError: The members differ in their vocabularies, or the combiner is for another number.
        """
        require_same_vocabulary([(scorer.name, scorer.vocabulary) for scorer in scorers])
        self._member_indices = tuple(combiner.active_members(len(scorers)))
        self._combiner, self._exact, self._calls = combiner, exact, calls
        self._mixture = StepMixture(combiner, exact, rules)
        active = [scorers[index] for index in self._member_indices]
        gate = combiner.gate
        runs_all = gate is None or not gate.lagged
        self._groups = group_members(active, stacks=stacks and runs_all)
        only = self._groups[0].lazy.scorer if len(self._groups) == 1 and runs_all else None
        self._mixes_in_step = isinstance(only, MixesInStep)
        if isinstance(only, MixesInStep):
            only.mixture = self._mixture
        self.vocabulary: Vocabulary = scorers[0].vocabulary
        self.names = tuple(scorer.name for scorer in active)
        self.limit = min(scorer.limit for scorer in active)
        self._keeps_statistics = keeps_statistics
        weights = tuple(self._mixture.weights.tolist()) if gate is None else None
        self.records = TokenRecords(len(active), weights, keeps_statistics)
        self._gate_state = initial_state(len(active))
        self._weights = torch.zeros(0)
        self._log_normalizers = torch.zeros(0)
        self._statistics = torch.zeros(0)
        # Without a circle of references the members' caches are free as soon as the search is over.
        self.finite = FiniteWatch(partial(EnsembleScorer._raise_not_finite, proxy(self)))
        self.n_steps = 0
        self.best: tuple[Tensor, Tensor] | None = None
        self._device: torch.device | None = None  # where the distributions are mixed: the first member's

    @property
    def has_gate(self) -> bool:
        """Whether the members' weights differ by token."""
        return self._combiner.gate is not None

    def find_best(self, n_tokens: int) -> None:
        """Have every step find its best tokens, where the members may do so within their own."""
        self._mixture.top = n_tokens if self._mixes_in_step else 0

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
            self._mixture.inputs = (
                self._gate_state[:, beam_indices],
                self._log_probs_of(beam_indices, tokens),
            )
        for group in self._groups:
            group.lazy.push(beam_indices, tokens, move)
        self.n_steps += 1
        return self._mix()

    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Append ``tokens`` (R, t) to every row, in one pass of every member; not with a gate.

        Returns:
            Combined log-probabilities (R * t, V) after every one of them, those of a row together. Rows of
            :meth:`records_of` are counted likewise.
        """
        for group in self._groups:
            group.scores, member = None, group.lazy
            scored = as_retractable(member.scorer).score_tokens(
                member.bring(beam_indices), member.bring(tokens)
            )
            group.scores = scored.flatten(0, 1).to(beam_indices.device, non_blocking=True)[None]
            member.calls += 1
        self._count_calls()
        log_probs, self._log_normalizers = self._mixture.mix(scores_of(self._groups), ())
        return log_probs[0]

    @property
    def is_ragged(self) -> bool:
        """Whether rows of every member may retract different numbers of tokens."""
        return all(as_retractable(group.lazy.scorer).is_ragged for group in self._groups)

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens of row r; see :meth:`RetractableScorer.retract`."""
        for group in self._groups:
            as_retractable(group.lazy.scorer).retract(group.lazy.bring(counts))

    def _mix(self) -> Tensor:
        gate, mixture = self._combiner.gate, self._mixture
        if gate is not None and gate.lagged:
            return self._mix_needed(gate)
        scores = self._run(self._groups)
        outputs, mixture.outputs = mixture.outputs, None
        outputs = outputs or mixture.mix(scores, mixture.inputs)
        if mixture.top:
            *outputs, values, tokens = outputs
            self.best = values[0], tokens[0]
        log_probs, self._log_normalizers, *of_gate = outputs
        if of_gate:
            self._weights, self._gate_state = of_gate
        return log_probs[0]

    def _mix_needed(self, gate: Gate) -> Tensor:
        """Mix the members that some row needs, as ``gate`` says before they are run."""
        state = append_token(*self._mixture.inputs) if self._mixture.inputs else self._gate_state
        weights = gate(features_of(state), steps_of(state))
        # The one question that a step may ask: members that no row needs are not run.
        indices = [index for index, needed in enumerate((weights != 0).any(dim=1).tolist()) if needed]
        scores = self._run([self._groups[index] for index in indices])  # each is a group
        rows, device = len(scores[0]), scores[0].device
        self._weights = weights.to(device).expand(-1, rows)
        is_run = self._weights != 0  # (M, R)
        self._gate_state = state.to(device).repeat(1, rows // state.shape[1], 1)
        for index, member_scores in zip(indices, scores, strict=True):
            observe(self._gate_state, index, distribution_features(member_scores), is_run[index])
        mixture = self._combiner(scores, torch.stack([self._weights[i] for i in indices]), self._exact)
        self._log_normalizers = mixture.log_normalizers.new_full((len(weights), rows), torch.nan)
        for index, values in zip(indices, mixture.log_normalizers, strict=True):
            self._log_normalizers[index] = values
        # A member that ran for other rows only counts as not run, as if alone.
        self._log_normalizers.masked_fill_(~is_run, torch.nan)
        return self._mixture.apply_rules(mixture.log_probs)

    def _run(self, groups: Sequence[MemberGroup]) -> list[Tensor]:
        """Scores (R, V) of the members of ``groups``; the others have no scores at this step."""
        for group in self._groups:
            group.scores = None  # freed first, so that the new scores can take its memory
        self._device = run_groups(groups, self._device)
        self._count_calls()
        scores = scores_of(groups)
        shapes = {tuple(member_scores.shape) for member_scores in scores}
        if len(shapes) > 1:
            raise ConfigError(
                f"expected members prepared for the same utterances, found scores of shapes {sorted(shapes)}"
            )
        return scores

    def _count_calls(self) -> None:
        for group in self._groups:
            if self._calls is not None:
                self._calls.update(
                    {self._member_indices[member]: group.lazy.calls for member in group.members}
                )
                group.lazy.calls = 0

    def _log_probs_of(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Log-probabilities (M, R') that the members gave ``tokens`` at ``rows``; NaN: was not run."""
        return scores_at(self._groups, rows, tokens) - self._log_normalizers[:, rows]

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
        run = [group for group in self._groups if group.scores is not None]
        names = [self.names[member] for member in sorted(m for group in run for m in group.members)]
        scores = scores_of(run)
        bad = [name for name, each in zip(names, scores, strict=True) if not bool((each < torch.inf).all())]
        raise ModelError(
            f"expected finite log-probabilities, found NaN or infinity from "
            f"{', '.join(bad or self.names)}: check its weights, or use float32"
        )
