"""The members' log-probabilities of development references: all that coefficients are learned from.

The members are run once, by forced decoding of the references; all fitting is arithmetic on what is kept
here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.combiner import Gate, Mixture, mixture_of_one
from components.decoding.mixing.gate_features import (
    ENTROPY,
    MIN_LOG_PROB,
    N_FEATURES,
    append_token,
    distribution_features,
    features_of,
    initial_state,
    observe,
    steps_of,
)
from components.decoding.scorers import TokenScorer
from components.decoding.searches.forced_scoring import force_decode
from components.errors import ConfigError, DataError, ModelError

MAX_BYTES = 4 << 30
"""Bytes of distributions that are kept at most."""


@dataclass(frozen=True)
class ReferenceLogProbs:
    """M members on the T reference tokens of several sentences, sentence after sentence.

    Attributes:
        names: of the members.
        token_log_probs: (M, T), of the reference tokens, in nats.
        distributions: (M, T, V) log-probabilities of every token, or None where they were not kept.
        features: (M, T, F) of :mod:`components.decoding.mixing.gate_features`, the present position included.
        sentences: (T,), the number of each token's sentence.
        steps: (T,), the number of tokens before it in its sentence.
    """

    names: tuple[str, ...]
    token_log_probs: Tensor
    distributions: Tensor | None
    features: Tensor
    sentences: Tensor
    steps: Tensor

    @property
    def n_sentences(self) -> int:
        """Number of sentences."""
        return len(torch.unique(self.sentences))

    def select_sentences(self, sentences: Tensor) -> ReferenceLogProbs:
        """Return the tokens of these sentences (LongTensor of their numbers) alone."""
        tokens = torch.isin(self.sentences, sentences).nonzero()[:, 0]
        return replace(
            self,
            token_log_probs=self.token_log_probs[:, tokens],
            distributions=None if self.distributions is None else self.distributions[:, tokens],
            features=self.features[:, tokens],
            sentences=self.sentences[tokens],
            steps=self.steps[tokens],
        )

    def features_before_step(self, gate: Gate | None = None) -> Tensor:
        """Return features (M, T, F) from before the present position, as a lagged gate sees them.

        Members that ``gate`` gives weight 0 are not run and keep earlier features, as in the search; without
        a gate all are run.
        """
        return _replay_features(self.features[..., : ENTROPY + 1], self.token_log_probs, self.steps, gate)[0]


class _RecordingCombiner:
    """A combiner that records every member's distribution at every step, on the CPU."""

    gate: Gate | None = None

    def __init__(self, distributions: bool) -> None:
        self.keep_distributions, self._n = distributions, 0
        self.log_probs: list[Tensor] = []
        self.features: list[Tensor] = []

    def active_members(self, n_members: int) -> Sequence[int]:
        self._n = n_members
        return range(n_members)

    def constant_weights(self) -> Tensor:
        return torch.ones(self._n)

    def __call__(self, scores: Sequence[Tensor], weights: Tensor, exact: bool = False) -> Mixture:
        mixtures = [mixture_of_one(score) for score in scores]
        self.features.append(torch.stack([distribution_features(score) for score in scores]).cpu())
        if self.keep_distributions:
            self.log_probs.append(torch.stack([mixture.log_probs for mixture in mixtures]).cpu())
        return Mixture(mixtures[0].log_probs, torch.cat([mixture.log_normalizers for mixture in mixtures]))


def require_room(tokens: int, members: int, vocabulary_size: int) -> None:
    """Refuse distributions of more than :data:`MAX_BYTES` in all. ConfigError."""
    if 4 * tokens * members * vocabulary_size > MAX_BYTES:
        raise ConfigError(
            f"expected distributions of at most {MAX_BYTES >> 30} GiB, found {tokens:,} tokens of {members} "
            f"members over {vocabulary_size} pieces: use fewer development sentences"
        )


def collect_log_probs(
    scorers: Sequence[TokenScorer], sequences: Sequence[Sequence[int]], *, distributions: bool = True
) -> ReferenceLogProbs:
    """Force the members through reference translations and keep their log-probabilities.

    No logits processors are applied: a reference token counts with what the members give it.

    Args:
        scorers: the members, prepared for N utterances.
        sequences: the N references as token ids, end of sequence included.
        distributions: keep those over the whole vocabulary, which only log-linear coefficients need.

    Raises:
        ModelError: a member gives NaN.
    """
    recorder = _RecordingCombiner(distributions)
    forced = force_decode(scorers, sequences, combiner=recorder)
    token_log_probs = torch.cat([_member_log_probs(candidate) for candidate in forced], dim=1)
    names = tuple(scorer.name for scorer in scorers)
    for name, values in zip(names, token_log_probs, strict=True):
        if bool(values.isnan().any()):
            raise ModelError(f"{name}: expected log-probabilities, found NaN: check its weights")
    lengths = [len(sequence) for sequence in sequences]
    pairs = [(n, t) for n, length in enumerate(lengths) for t in range(length)]
    rows = [sum(length > t for length in lengths[:n]) for n, t in pairs]
    step_features = torch.stack(
        [recorder.features[t][:, row] for (_, t), row in zip(pairs, rows, strict=True)], dim=1
    )
    all_log_probs = None
    if distributions:
        step_log_probs = [recorder.log_probs[t][:, row] for (_, t), row in zip(pairs, rows, strict=True)]
        all_log_probs = torch.stack(step_log_probs, dim=1).clamp_(min=MIN_LOG_PROB)
    steps = torch.tensor([t for _, t in pairs])
    return ReferenceLogProbs(
        names=names,
        token_log_probs=token_log_probs.clamp(min=MIN_LOG_PROB),
        distributions=all_log_probs,
        features=_replay_features(step_features, token_log_probs.clamp(min=MIN_LOG_PROB), steps)[1],
        sentences=torch.tensor([n for n, _ in pairs]),
        steps=steps,
    )


def _member_log_probs(candidate: Candidate) -> Tensor:
    """Return the members' log-probabilities (M, t) of a candidate's tokens; its None stands for NaN."""
    return torch.tensor([[torch.nan if v is None else v for v in row] for row in candidate.member_log_probs])


def concatenate(parts: Sequence[ReferenceLogProbs]) -> ReferenceLogProbs:
    """Return the batches as one; the sentences of a batch are numbered after those of the batch before.

    Raises:
        DataError: there is no batch.
    """
    if not parts:
        raise DataError("expected at least one batch of development sentences, found none")
    shift, numbers = 0, []
    for part in parts:
        numbers.append(part.sentences + shift)
        shift += int(part.sentences.max()) + 1
    distributions = [part.distributions for part in parts if part.distributions is not None]
    return ReferenceLogProbs(
        names=parts[0].names,
        token_log_probs=torch.cat([part.token_log_probs for part in parts], dim=1),
        distributions=torch.cat(distributions, dim=1) if len(distributions) == len(parts) else None,
        features=torch.cat([part.features for part in parts], dim=1),
        sentences=torch.cat(numbers),
        steps=torch.cat([part.steps for part in parts]),
    )


def _replay_features(
    distribution: Tensor, token_log_probs: Tensor, steps: Tensor, gate: Gate | None = None
) -> tuple[Tensor, Tensor]:
    """Gate features (M, T, F) before and after each step of a search that takes the reference tokens.

    The sentences go side by side through the search's own :mod:`~components.decoding.mixing.gate_features`.

    Args:
        distribution: (M, T, 2), the :func:`distribution_features` at every token.
        token_log_probs: (M, T).
        steps: (T,), the number of tokens before each in its sentence.
        gate: members that it gives weight 0 are not run.
    """
    state = initial_state(len(token_log_probs))
    before, after = torch.zeros((2, *token_log_probs.shape, N_FEATURES))
    all_members = torch.ones((len(token_log_probs), 1), dtype=torch.bool)
    rows, is_run = torch.tensor([], dtype=torch.long), all_members
    for step in range(int(steps.max()) + 1):
        previous_rows, rows = rows, (steps == step).nonzero()[:, 0]
        if step > 0:
            beam_indices = torch.isin(previous_rows + 1, rows).nonzero()[:, 0]
            log_probs = torch.where(is_run, token_log_probs[:, previous_rows], torch.nan)
            state = append_token(state[:, beam_indices], log_probs[:, beam_indices])
        before[:, rows] = features_of(state)
        weights = None if gate is None else gate(features_of(state), steps_of(state))
        is_run = (all_members if weights is None else weights != 0).expand(-1, len(rows))
        state = state.repeat(1, len(rows) // state.shape[1], 1)
        for member in range(len(token_log_probs)):
            observe(state, member, distribution[member, rows], is_run[member])
        after[:, rows] = features_of(state)
    return before, after
