"""The choice of a beam search on buffers of fixed size: recorded once as a CUDA graph, and replayed.

Beside the members a step of a beam is some thirty small kernels: what ends, what goes on, what may still win.
They are one replay here, whatever the members are. Outside stay the logits processors, the best tokens of
every row (so that no buffer is as wide as the vocabulary) and the records of the tokens that are taken.
Buffers are some kilobytes, and stay for searches that follow.

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

from components.batch_sizes import release_on_shortage
from components.decoding.beam_step import (
    BeamRules,
    BeamState,
    Choice,
    StepNumbers,
    advance,
    rank_tokens,
)
from components.decoding.models import static_steps
from components.decoding.models.step_graph import StepGraph, StepRecorder

MAX_KEPT = 8
"""Kinds of searches of which buffers and a graph are kept."""
STEPS_MULTIPLE = 256
"""Numbers of steps that there is room for are multiples of it."""


class _Kind(NamedTuple):
    """What searches have in common that use the same buffers; see :class:`.BeamRules`.

    Attributes:
        n: Utterances that there is room for.
        steps: Tokens of one that there is room for.
        vocabulary: Number of tokens.
        eos: Those that end a sequence.
        is_biased: Whether tokens are ranked by something else than their log-probabilities.
        dtype: Of scores.
        device: Where they are.
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


def _fields(kind: _Kind) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
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


def _lay_out(memory: Tensor, kind: _Kind) -> tuple[Tensor, Choice]:
    """What a step has chosen, and ``values`` of :class:`.RankedTokens`, as views of ``memory`` (bytes)."""
    views, at = {}, 0
    for name, (shape, dtype) in _fields(kind).items():
        size = _size({name: (shape, dtype)})
        views[name], at = memory[at : at + size].view(dtype).view(shape), at + size
    values = views.pop("values")
    views.setdefault("log_probs", values)
    views.setdefault("sums", views["totals"])
    return values, Choice(**views)


class _Buffers:
    """The buffers of one kind of search, with the graph that works on them.

    Attributes:
        memory: What is kept of a step, in one piece.
        values: What the best tokens of every row are ranked by (n k, W); to be written before a step.
        tokens: These tokens, likewise; and the log-probabilities of ``choice``, where they are biased.
        choice: What the latest step has chosen.
        state: What it left.
        user: The search that uses them, if any.
    """

    def __init__(self, kind: _Kind, rules: BeamRules, recorder: StepRecorder | None) -> None:
        self._kind = kind
        self.user: ref[object] | None = None
        n, k, device = kind.n, kind.k, kind.device
        positions = torch.arange(n, device=device)[:, None]
        self._rules = rules._replace(positions=positions)
        self.memory = torch.zeros(_size(_fields(kind)), dtype=torch.uint8, device=device)
        self.values, self.choice = _lay_out(self.memory, kind)
        scores = torch.zeros((n, k), dtype=kind.dtype, device=device)
        self.state = BeamState(
            scores,
            sums=torch.zeros_like(scores) if kind.is_biased else scores,
            is_open=self.choice.is_open,
            ranks=torch.zeros_like(scores),
            places=torch.zeros((n, k), dtype=torch.long, device=device),
        )
        self._norms = torch.ones((2, kind.steps), dtype=kind.dtype, device=device)
        self._t = torch.zeros(1, dtype=torch.long, device=device)
        self._first_places = torch.arange(k, device=device)
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
        places = torch.add(self._first_places, self._t, alpha=self._kind.k)
        numbers = StepNumbers(norm, final_norm, places)
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


_KEPT: dict[_Kind, _Buffers] = {}  # used longest ago first
_LOCK = threading.Lock()


def _lend(kind: _Kind, rules: BeamRules, user: object) -> _Buffers:
    """The kept buffers of a kind for as long as ``user`` lives, or, while they are in use, others."""
    with _LOCK:
        buffers = _KEPT.get(kind)
        if buffers is None or buffers.is_idle:
            with torch.inference_mode(False), torch.no_grad():  # or later searches could not write to them
                buffers = _KEPT.pop(kind, None) or _Buffers(
                    kind, rules, static_steps.make_recorder(kind.device)
                )
            _KEPT[kind] = buffers
            buffers.user = ref(user)
            idle = [other for other, each in _KEPT.items() if each.is_idle]
            for old in idle[: max(len(_KEPT) - MAX_KEPT, 0)]:
                del _KEPT[old]
            return buffers
    with torch.inference_mode(False), torch.no_grad():
        return _Buffers(kind, rules, None)


@release_on_shortage
def _release_idle() -> None:
    with _LOCK:
        for kind in [kind for kind, buffers in _KEPT.items() if buffers.is_idle]:
            del _KEPT[kind]


class RecordedChoices:
    """The choices of one search, from its second token to the last but one.

    Attributes:
        state: After the latest step, or what it began with.
    """

    def __init__(
        self,
        rules: BeamRules,
        eos: tuple[int, ...],
        state: BeamState,
        norms: Sequence[tuple[float, float]],
        t: int,
        like: Tensor,
        *,
        is_biased: bool,
    ) -> None:
        """Take buffers, and begin in them.

        Args:
            rules: Those of the search.
            eos: The tokens that end a sequence.
            state: What there is.
            norms: Those of all steps; see :func:`.list_norms`.
            t: Number of tokens so far.
            like: Scores of the next token (R, V).
            is_biased: Whether these are something else than log-probabilities.
        """
        kind = _Kind(
            static_steps.round_up_to_power(len(state.scores)),
            *(rules.k, rules.n_continuations, rules.n_tokens, rules.stops_when_full),
            steps=len(norms) + -len(norms) % STEPS_MULTIPLE,
            vocabulary=like.shape[1],
            eos=eos,
            is_biased=is_biased,
            dtype=like.dtype,
            device=like.device,
        )
        self._kind, self._m, self._buffers = kind, len(state.scores), _lend(kind, rules, self)
        self._buffers.load(state, norms, t)
        self._view_state()

    def _view_state(self) -> None:
        self.state = BeamState(*(part[: self._m] for part in self._buffers.state))

    def choose(self, log_probs: Tensor, scores: Tensor) -> Choice:
        """Take a step: ``log_probs`` of the next token (R, V) and what tokens are ranked by, (R, V)."""
        buffers, rows = self._buffers, len(scores)
        tokens = buffers.tokens[:rows]
        torch.topk(scores, self._kind.n_tokens, dim=-1, out=(buffers.values[:rows], tokens))
        if self._kind.is_biased:
            torch.gather(log_probs, 1, tokens, out=buffers.choice.log_probs[:rows])
        buffers.run()
        _, choice = _lay_out(buffers.memory.clone(), self._kind)  # the next step writes over it
        of_utterances = Choice(*(part[: self._m] for part in choice))
        return of_utterances._replace(log_probs=choice.log_probs[:rows])

    def keep_utterances(self, state: BeamState) -> None:
        """Go on with fewer utterances, whose state is ``state``."""
        self._m = len(state.scores)
        self._buffers.move(state)
        self._view_state()
