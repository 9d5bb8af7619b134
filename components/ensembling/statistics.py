"""What the members say of the references of a small development set: all that coefficients are learned from.

The members are forced through the references once; everything after that is arithmetic on what they said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.decoding.candidates import Candidate
from components.decoding.combine import Gate, Mixed, alone
from components.decoding.context import ENTROPY, FEATURES, FLOOR, Context, distribution_features
from components.decoding.members import Member
from components.decoding.search import force
from components.errors import ConfigError, DataError, ModelError

LARGEST = 4 << 30
"""Bytes of distributions kept, at most."""


@dataclass(frozen=True)
class Statistics:
    """M members on T reference tokens of several sentences, sentence after sentence.

    ``chosen`` (M, T): log-probability of the reference token; ``distributions`` (M, T, V): of every token, or
    None where they were not kept; ``features`` (M, T, F) of :mod:`components.decoding.context` at the present
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

    def of(self, sentences: Tensor) -> Statistics:
        """Only the tokens of these sentences (LongTensor)."""
        kept = torch.isin(self.sentences, sentences).nonzero()[:, 0]
        return replace(
            self,
            chosen=self.chosen[:, kept],
            distributions=None if self.distributions is None else self.distributions[:, kept],
            features=self.features[:, kept],
            sentences=self.sentences[kept],
            steps=self.steps[kept],
        )

    def lagged(self, gate: Gate | None = None) -> Tensor:
        """Features (M, T, F) as a gate knows them before the members are run at the present position.

        Members that ``gate`` gives nothing are not run and keep earlier features, as in the search; without
        a gate all are run.
        """
        return _replay_features(self.features[..., : ENTROPY + 1], self.chosen, self.steps, gate)[0]


class _Listener:
    """A combiner that keeps what every member said at every step: off the card, where it is learned from."""

    gate: Gate | None = None

    def __init__(self, distributions: bool) -> None:
        self.keep, self._n = distributions, 0
        self.said: list[Tensor] = []
        self.features: list[Tensor] = []

    def active(self, n_members: int) -> Sequence[int]:
        self._n = n_members
        return range(n_members)

    def constants(self) -> Tensor:
        return torch.ones(self._n)

    def __call__(self, scores: Sequence[Tensor], weights: Tensor, exact: bool = False) -> Mixed:
        each = [alone(score) for score in scores]
        self.features.append(torch.stack([distribution_features(score) for score in scores]).cpu())
        if self.keep:
            self.said.append(torch.stack([mixed.log_probs for mixed in each]).cpu())
        return Mixed(each[0].log_probs, torch.cat([mixed.normalisers for mixed in each]))


def collect(
    members: Sequence[Member], sequences: Sequence[Sequence[int]], *, distributions: bool = True
) -> Statistics:
    """Force ``sequences``, references with eos, one per utterance of the members.

    No rules are applied: a reference token is worth what the members give it. ``distributions`` are needed
    for log-linear coefficients only; ConfigError where they would take more than 4 GiB. ModelError names a
    member that gives NaN.
    """
    total = sum(map(len, sequences))
    if distributions and 4 * total * len(members) * members[0].vocabulary.size > LARGEST:
        raise ConfigError(
            f"expected distributions of at most {LARGEST >> 30} GiB, found {total} tokens of {len(members)} "
            f"members over {members[0].vocabulary.size} pieces: use fewer development sentences"
        )
    listener = _Listener(distributions)
    forced = force(members, sequences, combine=listener)
    chosen = torch.cat([_numbers(candidate) for candidate in forced], dim=1)
    names = tuple(member.name for member in members)
    for name, values in zip(names, chosen, strict=True):
        if bool(values.isnan().any()):
            raise ModelError(f"{name}: expected log-probabilities, found NaN: check its weights")
    lengths = [len(sequence) for sequence in sequences]
    pairs = [(n, t) for n, length in enumerate(lengths) for t in range(length)]
    rows = [sum(length > t for length in lengths[:n]) for n, t in pairs]
    shares = torch.stack(
        [listener.features[t][:, row] for (_, t), row in zip(pairs, rows, strict=True)], dim=1
    )
    kept = None
    if distributions:
        said = [listener.said[t][:, row] for (_, t), row in zip(pairs, rows, strict=True)]
        kept = torch.stack(said, dim=1).clamp_(min=FLOOR)
    steps = torch.tensor([t for _, t in pairs])
    return Statistics(
        names=names,
        chosen=chosen.clamp(min=FLOOR),
        distributions=kept,
        features=_replay_features(shares, chosen.clamp(min=FLOOR), steps)[1],
        sentences=torch.tensor([n for n, _ in pairs]),
        steps=steps,
    )


def _numbers(candidate: Candidate) -> Tensor:
    """What the members gave (M, t); NaN was told as nothing."""
    return torch.tensor([[torch.nan if v is None else v for v in row] for row in candidate.members])


def joined(parts: Sequence[Statistics]) -> Statistics:
    """Statistics of several batches as one; the sentences are numbered on."""
    if not parts:
        raise DataError("expected at least one batch of development sentences, found none")
    shift, numbers = 0, []
    for part in parts:
        numbers.append(part.sentences + shift)
        shift += int(part.sentences.max()) + 1
    kept = [part.distributions for part in parts if part.distributions is not None]
    return Statistics(
        names=parts[0].names,
        chosen=torch.cat([part.chosen for part in parts], dim=1),
        distributions=torch.cat(kept, dim=1) if len(kept) == len(parts) else None,
        features=torch.cat([part.features for part in parts], dim=1),
        sentences=torch.cat(numbers),
        steps=torch.cat([part.steps for part in parts]),
    )


def _replay_features(
    present: Tensor, chosen: Tensor, steps: Tensor, gate: Gate | None = None
) -> tuple[Tensor, Tensor]:
    """Features (M, T, F) before and after the members are run, of a search that takes the references.

    ``present`` (M, T, 2) are :func:`distribution_features`. The sentences go side by side through the
    search's own :class:`Context`; where a sparse ``gate`` gives a member nothing, it is not run.
    """
    context = Context(len(chosen))
    before, after = torch.zeros((2, *chosen.shape, FEATURES))
    everyone = torch.ones((len(chosen), 1), dtype=torch.bool)
    rows, ran = torch.tensor([], dtype=torch.long), everyone
    for step in range(int(steps.max()) + 1):
        last, rows = rows, (steps == step).nonzero()[:, 0]
        if step > 0:
            parents = torch.isin(last + 1, rows).nonzero()[:, 0]
            votes = torch.where(ran, chosen[:, last], torch.nan)
            context.follow(parents, votes[:, parents])
        before[:, rows] = context.features
        ran = (everyone if gate is None else gate(context.features, step) != 0).expand(-1, len(rows))
        context.widen(len(rows), rows.device)
        for member in range(len(chosen)):
            context.look(member, present[member, rows], ran[member])
        after[:, rows] = context.features
    return before, after
