"""What the members say of the references of a small development set: all that coefficients are learned from.

The members are forced through the references once; everything after that is arithmetic on what they said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.combiner import Gate, Mixture, mixture_of_one
from components.decoding.gate_features import (
    ENTROPY,
    MIN_LOG_PROB,
    N_FEATURES,
    GateFeatures,
    distribution_features,
)
from components.decoding.scorers import TokenScorer
from components.decoding.search import force_decode
from components.errors import ConfigError, DataError, ModelError

MAX_BYTES = 4 << 30
"""Bytes of distributions kept, at most."""


@dataclass(frozen=True)
class ReferenceLogProbs:
    """M members on T reference tokens of several sentences, sentence after sentence.

    ``chosen`` (M, T): log-probability of the reference token; ``distributions`` (M, T, V): of every token, or
    None where they were not kept; ``features`` (M, T, F) of :mod:`components.decoding.gate_features` at the present
    position; ``sentences`` and ``steps`` (T,): which sentence, and how many tokens before.
    """

    names: tuple[str, ...]
    chosen: Tensor
    distributions: Tensor | None
    features: Tensor
    sentences: Tensor
    steps: Tensor

    @property
    def n_sentences(self) -> int:
        """How many different sentences."""
        return len(torch.unique(self.sentences))

    def select_sentences(self, sentences: Tensor) -> ReferenceLogProbs:
        """Only the tokens of these sentences (LongTensor)."""
        tokens = torch.isin(self.sentences, sentences).nonzero()[:, 0]
        return replace(
            self,
            chosen=self.chosen[:, tokens],
            distributions=None if self.distributions is None else self.distributions[:, tokens],
            features=self.features[:, tokens],
            sentences=self.sentences[tokens],
            steps=self.steps[tokens],
        )

    def lagged_features(self, gate: Gate | None = None) -> Tensor:
        """Features (M, T, F) as a gate knows them before the members are run at the present position.

        Members that ``gate`` gives nothing are not run and keep earlier features, as in the search; without
        a gate all are run.
        """
        return _replay_features(self.features[..., : ENTROPY + 1], self.chosen, self.steps, gate)[0]


class _RecordingCombiner:
    """A combiner that keeps what every member said at every step: off the card, where it is learned from."""

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
            self.log_probs.append(torch.stack([mixed.log_probs for mixed in mixtures]).cpu())
        return Mixture(mixtures[0].log_probs, torch.cat([mixed.log_normalizers for mixed in mixtures]))


def collect_log_probs(
    members: Sequence[TokenScorer], sequences: Sequence[Sequence[int]], *, distributions: bool = True
) -> ReferenceLogProbs:
    """Force ``sequences``, references with eos, one per utterance of the members.

    No rules are applied: a reference token is worth what the members give it. ``distributions`` are needed
    for log-linear coefficients only; ConfigError where they would take more than 4 GiB. ModelError names a
    member that gives NaN.
    """
    total = sum(map(len, sequences))
    if distributions and 4 * total * len(members) * members[0].vocabulary.size > MAX_BYTES:
        raise ConfigError(
            f"expected distributions of at most {MAX_BYTES >> 30} GiB, found {total} tokens of {len(members)} "
            f"members over {members[0].vocabulary.size} pieces: use fewer development sentences"
        )
    recorder = _RecordingCombiner(distributions)
    forced = force_decode(members, sequences, combiner=recorder)
    token_log_probs = torch.cat([_member_log_probs(candidate) for candidate in forced], dim=1)
    names = tuple(member.name for member in members)
    for name, values in zip(names, token_log_probs, strict=True):
        if bool(values.isnan().any()):
            raise ModelError(f"{name}: expected log-probabilities, found NaN: check its weights")
    lengths = [len(sequence) for sequence in sequences]
    pairs = [(n, t) for n, length in enumerate(lengths) for t in range(length)]
    rows = [sum(length > t for length in lengths[:n]) for n, t in pairs]
    shares = torch.stack(
        [recorder.features[t][:, row] for (_, t), row in zip(pairs, rows, strict=True)], dim=1
    )
    all_log_probs = None
    if distributions:
        step_log_probs = [recorder.log_probs[t][:, row] for (_, t), row in zip(pairs, rows, strict=True)]
        all_log_probs = torch.stack(step_log_probs, dim=1).clamp_(min=MIN_LOG_PROB)
    steps = torch.tensor([t for _, t in pairs])
    return ReferenceLogProbs(
        names=names,
        chosen=token_log_probs.clamp(min=MIN_LOG_PROB),
        distributions=all_log_probs,
        features=_replay_features(shares, token_log_probs.clamp(min=MIN_LOG_PROB), steps)[1],
        sentences=torch.tensor([n for n, _ in pairs]),
        steps=steps,
    )


def _member_log_probs(candidate: Candidate) -> Tensor:
    """What the members gave (M, t); NaN was told as nothing."""
    return torch.tensor([[torch.nan if v is None else v for v in row] for row in candidate.member_log_probs])


def concatenate(parts: Sequence[ReferenceLogProbs]) -> ReferenceLogProbs:
    """Statistics of several batches as one; the sentences are numbered on."""
    if not parts:
        raise DataError("expected at least one batch of development sentences, found none")
    shift, numbers = 0, []
    for part in parts:
        numbers.append(part.sentences + shift)
        shift += int(part.sentences.max()) + 1
    distributions = [part.distributions for part in parts if part.distributions is not None]
    return ReferenceLogProbs(
        names=parts[0].names,
        chosen=torch.cat([part.chosen for part in parts], dim=1),
        distributions=torch.cat(distributions, dim=1) if len(distributions) == len(parts) else None,
        features=torch.cat([part.features for part in parts], dim=1),
        sentences=torch.cat(numbers),
        steps=torch.cat([part.steps for part in parts]),
    )


def _replay_features(
    present: Tensor, token_log_probs: Tensor, steps: Tensor, gate: Gate | None = None
) -> tuple[Tensor, Tensor]:
    """Features (M, T, F) before and after the members are run, of a search that takes the references.

    ``present`` (M, T, 2) are :func:`distribution_features`. The sentences go side by side through the
    search's own :class:`GateFeatures`; where a sparse ``gate`` gives a member nothing, it is not run.
    """
    context = GateFeatures(len(token_log_probs))
    before, after = torch.zeros((2, *token_log_probs.shape, N_FEATURES))
    all_members = torch.ones((len(token_log_probs), 1), dtype=torch.bool)
    rows, ran = torch.tensor([], dtype=torch.long), all_members
    for step in range(int(steps.max()) + 1):
        last, rows = rows, (steps == step).nonzero()[:, 0]
        if step > 0:
            parents = torch.isin(last + 1, rows).nonzero()[:, 0]
            log_probs = torch.where(ran, token_log_probs[:, last], torch.nan)
            context.reorder(parents, log_probs[:, parents])
        before[:, rows] = context.values
        ran = (all_members if gate is None else gate(context.values, step) != 0).expand(-1, len(rows))
        context.expand(len(rows), rows.device)
        for member in range(len(token_log_probs)):
            context.observe(member, present[member, rows], ran[member])
        after[:, rows] = context.values
    return before, after
