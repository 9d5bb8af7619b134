"""Joint CTC/attention decoding: a CTC model takes part in a search that goes token by token.

Hybrid scores of Watanabe et al. 2017 (https://doi.org/10.1109/JSTSP.2017.2763455), one pass: a hypothesis
gains ``(1 - weight)`` times the attention model's log-probability and ``weight`` times CTC's of its text,
token by token by the probability that the text *begins* with its prefix, and at the end by that of the
whole text. The two need no common tokens: CTC reads what the tokens say, in the characters that it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from components.decoding.constraints.logits_processors import FORBIDDEN, History
from components.decoding.ctc.forward import LogProbs

NEVER = -1e5
"""Log-probability of tokens in frames behind the end, which hold blanks, and of texts that do not fit."""
TOKENS_PER_ROW = 24
"""Tokens of each row that get CTC scores: the likeliest of the attention model; the others are left out."""
Spell = Callable[[Sequence[int]], Sequence[int]]
"""The tokens of a text so far -> its characters as CTC numbers them."""


class CtcFrames:
    """CTC's frames of N utterances, and the forward variables of texts in them.

    Args:
        log_probs: of each utterance, (T, V); V may not differ.
        blank: the token that is none.
    """

    def __init__(self, log_probs: Sequence[LogProbs], blank: int) -> None:
        longest, size = max(map(len, log_probs)), log_probs[0].shape[1]
        padded = np.full((len(log_probs), longest, size), NEVER)
        padded[:, :, blank] = 0.0
        for row, frames in zip(padded, log_probs, strict=True):
            row[: len(frames)] = np.maximum(frames, NEVER)
        self._frames = torch.from_numpy(padded)
        # The sums of blanks before each frame, and of all of them: (N, T + 1).
        self._blanks = torch.nn.functional.pad(self._frames[:, :, blank].cumsum(1), (1, 0))

    def start(self, utterance: int) -> CtcPrefix:
        """Return the empty text."""
        blank = self._blanks[utterance]
        return CtcPrefix(blank, torch.full_like(blank, FORBIDDEN), 0.0, None)

    def extend(
        self, prefixes: Sequence[CtcPrefix], characters: Sequence[int], utterances: Sequence[int]
    ) -> list[CtcPrefix]:
        """Return each of B texts with one character more, over all frames at once.

        The recursion ``x[t] = y[t] + log(exp(x[t - 1]) + exp(z[t - 1]))`` is a cumulative sum in the log
        domain: with the sums Y of y, ``x[t] = Y[t] + logcumsumexp(z - Y)[t - 1]``.
        """
        rows = torch.tensor(utterances)
        emitted, blanks = self._frames[rows, :, torch.tensor(characters)], self._blanks[rows]
        sums = torch.nn.functional.pad(emitted.cumsum(1), (1, 0))
        repeats = torch.tensor([p.last == c for p, c in zip(prefixes, characters, strict=True)])
        ends_blank = torch.stack([prefix.blank for prefix in prefixes])
        ends_token = torch.stack([prefix.token for prefix in prefixes])
        entering = torch.logaddexp(ends_blank, ends_token.masked_fill(repeats[:, None], FORBIDDEN))[:, :-1]
        token = _accumulate(sums, entering)
        blank = _accumulate(blanks, token[:, :-1])
        scores = torch.logcumsumexp(entering + emitted, 1)[:, -1].clamp(min=NEVER).tolist()
        return [CtcPrefix(*each) for each in zip(blank, token, scores, characters, strict=True)]


def _accumulate(sums: Tensor, entering: Tensor) -> Tensor:
    """The recursion of :meth:`CtcFrames.extend`: sums (B, T + 1) and what enters (B, T) -> (B, T + 1)."""
    inner = sums[:, 1:] + torch.logcumsumexp(entering - sums[:, :-1], 1)
    return torch.nn.functional.pad(inner, (1, 0), value=FORBIDDEN)


@dataclass(frozen=True, eq=False)
class CtcPrefix:
    """A text's forward variables.

    Attributes:
        blank: (T + 1,) log-probability of the text in the first t frames with a blank last.
        token: (T + 1,) the same with its last character last.
        score: log-probability that the whole text begins with it.
        last: its last character.
    """

    blank: Tensor
    token: Tensor
    score: float
    last: int | None

    @property
    def log_prob(self) -> float:
        """Of the text as a whole."""
        return max(NEVER, float(torch.logaddexp(self.blank[-1], self.token[-1])))


class JointCtc:
    """A :data:`~.logits_processors.LogitsProcessor` of one search that adds CTC's scores.

    Args:
        frames: CTC's frames of the utterances.
        spell: the characters of tokens.
        weight: CTC's, from 0 to 1; the attention model has the rest.
        eos: the tokens that end a text.
        tokens_per_row: tokens that are scored in each row at most.
    """

    def __init__(
        self,
        frames: CtcFrames,
        spell: Spell,
        weight: float,
        eos: Sequence[int],
        tokens_per_row: int = TOKENS_PER_ROW,
    ) -> None:
        self._frames, self._spell, self._weight, self._eos = frames, spell, weight, frozenset(eos)
        self._tokens_per_row = tokens_per_row
        self._prefixes: dict[_Text, CtcPrefix] = {}

    def __call__(self, log_probs: Tensor, history: History) -> Tensor:
        """Return the joint scores (R, V) of log-probabilities (R, V); tokens that are left out have -inf."""
        values, tokens = log_probs.topk(min(self._tokens_per_row, log_probs.shape[1]), dim=-1)
        utterances, rows = history.utterances.tolist(), history.tokens.tolist()
        texts = [(u, tuple(self._spell(row))) for u, row in zip(utterances, rows, strict=True)]
        longer = [
            [None if t in self._eos else (u, tuple(self._spell([*row, t]))) for t in candidates]
            for u, row, candidates in zip(utterances, rows, tokens.tolist(), strict=True)
        ]
        self._prefixes = self._complete(
            {*texts, *(text for row in longer for text in row if text is not None)}
        )
        added = [
            [self._added(text, longer_text) for longer_text in row]
            for text, row in zip(texts, longer, strict=True)
        ]
        joint = (1 - self._weight) * values + self._weight * torch.tensor(added).to(values)
        joint = joint.masked_fill(values == FORBIDDEN, FORBIDDEN)  # 0 x -inf is no number
        return torch.full_like(log_probs, FORBIDDEN).scatter(1, tokens, joint)

    def _added(self, text: _Text, longer: _Text | None) -> float:
        """Return what CTC's score of a text changes by: with more tokens, or at its end (None)."""
        before = self._prefixes[text]
        return (before.log_prob if longer is None else self._prefixes[longer].score) - before.score

    def _complete(self, texts: set[_Text]) -> dict[_Text, CtcPrefix]:
        """Return the forward variables of ``texts``, from those of the step before, a character at a time."""
        known = dict(self._prefixes)
        missing: dict[int, set[_Text]] = {}
        for utterance, characters in texts:
            for n in range(len(characters), -1, -1):
                if (utterance, characters[:n]) in known:
                    break
                missing.setdefault(n, set()).add((utterance, characters[:n]))
        for n, added in sorted(missing.items()):
            if n == 0:
                known |= {text: self._frames.start(text[0]) for text in added}
                continue
            keys = sorted(added)
            parents = [known[utterance, characters[:-1]] for utterance, characters in keys]
            extended = self._frames.extend(parents, [c[-1] for _, c in keys], [u for u, _ in keys])
            known |= dict(zip(keys, extended, strict=True))
        return {text: known[text] for text in texts}


_Text = tuple[int, tuple[int, ...]]
"""An utterance and characters."""
