"""The buffers of a beam's choice, with the graph that works on them; they stay for searches that follow.

Letters in shapes: n utterances that there is room for, m of them in use, k rows each, W tokens of a row that
are looked at, C continuations of an utterance that are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from weakref import ref

import torch
from torch import Tensor

from components.compute.batch_sizes import release_on_shortage
from components.decoding.accelerator.fixed_shapes import static_steps
from components.decoding.accelerator.fixed_shapes.step_graph import StepGraph, StepRecorder
from components.decoding.searches.beam_step import (
    BeamRules,
    BeamState,
    Choice,
    StepNumbers,
    advance,
    rank_tokens,
)

MAX_KEPT = 8
"""Kinds of searches of which buffers and a graph are kept."""


class ChoiceKind(NamedTuple):
    """What searches have in common that use the same buffers; see :class:`.BeamRules`.

    Attributes:
        n: utterances that there is room for.
        steps: tokens of one that there is room for.
        vocabulary: number of tokens.
        eos: those that end a sequence.
        is_biased: whether tokens are ranked by something else than their log-probabilities.
        dtype: of scores.
        device: where they are.
    """

    n: int
    k: int
    n_continuations: int
    n_tokens: int
    stops_when_full: bool
    steps: int
    vocabulary: int
    eos: tuple[int, ...]
    is_biased: bool
    dtype: torch.dtype
    device: torch.device


def _fields(kind: ChoiceKind) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and type of what is kept of a step; what is widest comes first, so that all of it is aligned."""
    row, continuation, token = (
        (kind.n, kind.k),
        (kind.n, kind.n_continuations),
        (kind.n * kind.k, kind.n_tokens),
    )
    fields = {
        **dict.fromkeys(("order", "tokens", "rows"), (continuation, torch.long)),
        **dict.fromkeys(("best", "beam_indices", "next_tokens"), (row, torch.long)),
        "totals": (continuation, kind.dtype),
        "values": (token, kind.dtype),
    }
    if kind.is_biased:
        fields |= {"sums": (continuation, kind.dtype), "log_probs": (token, kind.dtype)}
    return fields | {"is_open": ((kind.n,), torch.bool)}


def _size(fields: dict[str, tuple[tuple[int, ...], torch.dtype]]) -> int:
    return sum(torch.Size(shape).numel() * dtype.itemsize for shape, dtype in fields.values())


def lay_out(memory: Tensor, kind: ChoiceKind) -> tuple[Tensor, Choice]:
    """What a step has chosen, and ``values`` of :class:`.RankedTokens`, as views of ``memory`` (bytes)."""
    views, at = {}, 0
    for name, (shape, dtype) in _fields(kind).items():
        size = _size({name: (shape, dtype)})
        views[name], at = memory[at : at + size].view(dtype).view(shape), at + size
    values = views.pop("values")
    views.setdefault("log_probs", values)
    views.setdefault("sums", views["totals"])
    return values, Choice(**views)


class ChoiceBuffers:
    """The buffers of one kind of search, with the graph that works on them.

    Attributes:
        memory: what is kept of a step, in one piece.
        values: what the best tokens of every row are ranked by (n k, W); to be written before a step.
        tokens: these tokens, likewise; and the log-probabilities of ``choice``, where they are biased.
        choice: what the latest step has chosen.
        state: what it left.
        user: the search that uses them, if any.
    """

    def __init__(self, kind: ChoiceKind, rules: BeamRules, recorder: StepRecorder | None) -> None:
        self._kind = kind
        self.user: ref[object] | None = None
        n, k, device = kind.n, kind.k, kind.device
        positions = torch.arange(n, device=device)[:, None]
        self._rules = rules._replace(positions=positions)
        self.memory = torch.zeros(_size(_fields(kind)), dtype=torch.uint8, device=device)
        self.values, self.choice = lay_out(self.memory, kind)
        scores = torch.zeros((n, k), dtype=kind.dtype, device=device)
        self.state = BeamState(
            scores,
            sums=torch.zeros_like(scores) if kind.is_biased else scores,
            is_open=self.choice.is_open,
            ranks=torch.zeros_like(scores),
            positions=torch.zeros((n, k), dtype=torch.long, device=device),
        )
        self._norms = torch.ones((2, kind.steps), dtype=kind.dtype, device=device)
        self._t = torch.zeros(1, dtype=torch.long, device=device)
        self._first_positions = torch.arange(k, device=device)
        self.tokens = torch.zeros((n * k, kind.n_tokens), dtype=torch.long, device=device)
        state, chosen = _unique(self.state), _unique(self.choice)
        inputs = {*state, id(self.choice.log_probs)}
        results = [part for key, part in chosen.items() if key not in inputs]
        self._graph = StepGraph(results, self._snapshot, recorder, [*state.values(), self._t])

    @property
    def is_idle(self) -> bool:
        """Whether no search uses them."""
        return self.user is None or self.user() is None

    def load(self, state: BeamState, norms: Sequence[tuple[float, float]], t: int) -> None:
        """Begin at step ``t`` with a state of up to n utterances."""
        self._norms[:, : len(norms)] = torch.tensor(norms, dtype=self._norms.dtype).T.to(self._norms.device)
        self._t.fill_(t)
        self.move(state)

    def move(self, state: BeamState) -> None:
        """Go on with a state of up to n utterances, which are at the front then."""
        m = len(state.scores)
        for buffer, part in zip(self.state, state, strict=True):
            buffer[:m] = part
        self.state.is_open[m:] = False

    def run(self) -> None:
        """Take a step."""
        self._graph.run(self._step)

    def _step(self) -> None:
        norm, final_norm = self._norms.index_select(1, self._t).unbind()
        positions = torch.add(self._first_positions, self._t, alpha=self._kind.k)
        numbers = StepNumbers(norm, final_norm, positions)
        ranked = rank_tokens(self._rules, self.state, self.values, self.tokens, self.choice.log_probs)
        state, choice = advance(self._rules, self.state, ranked, numbers, is_last=False)
        pairs = zip((*self.choice, *self.state), (*choice, *state), strict=True)
        for target, part in {id(target): (target, part) for target, part in pairs}.values():
            if target is not part:
                target.copy_(part)
        self._t.add_(1)

    def _snapshot(self) -> Callable[[], None]:
        changed = [*self.state, self._t]
        before = [part.clone() for part in changed]

        def restore() -> None:
            for part, old in zip(changed, before, strict=True):
                part.copy_(old)

        return restore


def _unique(tensors: Iterable[Tensor]) -> dict[int, Tensor]:
    return {id(tensor): tensor for tensor in tensors}


_KEPT: dict[ChoiceKind, ChoiceBuffers] = {}  # used longest ago first
_LOCK = threading.Lock()


def lend(kind: ChoiceKind, rules: BeamRules, user: object) -> ChoiceBuffers:
    """Return the kept buffers of a kind for as long as ``user`` lives, or, while they are in use, others."""
    with _LOCK:
        buffers = _KEPT.get(kind)
        if buffers is None or buffers.is_idle:
            with torch.inference_mode(False), torch.no_grad():  # or later searches could not write to them
                buffers = _KEPT.pop(kind, None) or ChoiceBuffers(
                    kind, rules, static_steps.make_recorder(kind.device)
                )
            _KEPT[kind] = buffers
            buffers.user = ref(user)
            idle = [other for other, each in _KEPT.items() if each.is_idle]
            for old in idle[: max(len(_KEPT) - MAX_KEPT, 0)]:
                del _KEPT[old]
            return buffers
    with torch.inference_mode(False), torch.no_grad():
        return ChoiceBuffers(kind, rules, None)


@release_on_shortage
def _release_idle() -> None:
    with _LOCK:
        for kind in [kind for kind, buffers in _KEPT.items() if buffers.is_idle]:
            del _KEPT[kind]
