"""The choice of a beam search on buffers of fixed size: recorded once as a CUDA graph, and replayed.

Beside the members a step of a beam is some thirty small kernels: what ends, what goes on, what may still win.
They are one replay here, whatever the members are. Outside stay logits processors, the best tokens of every
row, where the members' own step does not find them, and the records of the tokens that are taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.accelerator.choice import choice_buffers
from components.decoding.accelerator.choice.choice_buffers import ChoiceKind, lay_out
from components.decoding.accelerator.fixed_shapes.static_steps import round_up_to_power
from components.decoding.searches.beam_step import BeamRules, BeamState, Choice

STEPS_MULTIPLE = 256
"""Numbers of steps that there is room for are multiples of it."""


class RecordedChoices:
    """The choices of one search, from its second token to the last but one.

    Attributes:
        state: after the latest step, or what it began with.
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
            rules: those of the search.
            eos: the tokens that end a sequence.
            state: what there is.
            norms: those of all steps; see :func:`.list_norms`.
            t: number of tokens so far.
            like: scores of the next token (R, V).
            is_biased: whether these are something else than log-probabilities.
        """
        kind = ChoiceKind(
            round_up_to_power(len(state.scores)),
            *(rules.k, rules.n_continuations, rules.n_tokens, rules.stops_when_full),
            steps=len(norms) + -len(norms) % STEPS_MULTIPLE,
            vocabulary=like.shape[1],
            eos=eos,
            is_biased=is_biased,
            dtype=like.dtype,
            device=like.device,
        )
        self._kind, self._m, self._buffers = kind, len(state.scores), choice_buffers.lend(kind, rules, self)
        self._buffers.load(state, norms, t)
        self._view_state()

    def _view_state(self) -> None:
        self.state = BeamState(*(part[: self._m] for part in self._buffers.state))

    def choose(self, log_probs: Tensor, scores: Tensor, best: tuple[Tensor, Tensor] | None = None) -> Choice:
        """Take a step.

        Args:
            log_probs: of the next token (R, V).
            scores: what tokens are ranked by (R, V).
            best: the best scores of every row and their tokens (R, W), where they are known.
        """
        buffers, rows = self._buffers, len(scores)
        values, tokens = buffers.values[:rows], buffers.tokens[:rows]
        if best is None:
            torch.topk(scores, self._kind.n_tokens, dim=-1, out=(values, tokens))
        else:
            values.copy_(best[0])
            tokens.copy_(best[1])
        if self._kind.is_biased:
            torch.gather(log_probs, 1, tokens, out=buffers.choice.log_probs[:rows])
        buffers.run()
        _, choice = lay_out(buffers.memory.clone(), self._kind)  # the next step writes over it
        of_utterances = Choice(*(part[: self._m] for part in choice))
        return of_utterances._replace(log_probs=choice.log_probs[:rows])

    def keep_utterances(self, state: BeamState) -> None:
        """Go on with fewer utterances, whose state is ``state``."""
        self._m = len(state.scores)
        self._buffers.move(state)
        self._view_state()
