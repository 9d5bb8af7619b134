"""Greedy and beam search over the alignments of a transducer.

Greedy search takes the likeliest token (and duration) at every step. Beam search goes over the frames; the
hypotheses at a frame compete with each other, and those of equal text that arrive at it are one, their
probabilities added. With a beam that holds everything the probability of each text is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from components.decoding.transducer.model import LogProbs, Transducer, TransducerHypothesis, steps_of


def search(model: Transducer, beam_size: int, n_best: int) -> list[TransducerHypothesis]:
    """Return the n-best texts of a recording, likeliest first, never empty.

    Args:
        model: with the recording encoded.
        beam_size: hypotheses at a frame; 1 is greedy search.
        n_best: texts at most.
    """
    if beam_size == 1:
        return [greedy_search(model)]
    return beam_search(model, beam_size)[:n_best]


def greedy_search(model: Transducer) -> TransducerHypothesis:
    """Take the likeliest token at every step, and the likeliest duration."""
    frame, symbols, state, score = 0, 0, model.start(), 0.0
    tokens: list[int] = []
    frames: list[int] = []
    spans: list[int] = []
    log_probs: list[float] = []
    for _ in range(model.max_symbols * model.n_frames):  # a TDT might stay at a frame for ever
        if frame >= model.n_frames:
            break
        (scores,), (durations,) = model.score(frame, [state])
        token = int(scores.argmax())
        is_blank = token == model.blank
        step, duration_log_prob = _likeliest_step(model, is_blank, durations)
        score += float(scores[token]) + duration_log_prob
        if not is_blank:
            tokens.append(token)
            frames.append(frame)
            spans.append(step if model.durations else 1)
            log_probs.append(score)
            score = 0.0
            (state,) = model.advance([state], [token])
            symbols += 1
            if not model.durations and symbols == model.max_symbols:
                step = 1
        frame, symbols = frame + step, 0 if step else symbols
    is_finished = frame >= model.n_frames
    return TransducerHypothesis(tuple(tokens), (*log_probs, score), tuple(frames), tuple(spans), is_finished)


def _likeliest_step(model: Transducer, is_blank: bool, durations: LogProbs) -> tuple[int, float]:
    if not model.durations:
        return int(is_blank), 0.0
    index = int(durations.argmax())
    return max(model.durations[index], int(is_blank)), float(durations[index])


@dataclass
class _Prefix:
    """A text at a frame.

    Attributes:
        log_prob: of all alignments that were merged into it.
        best: of the best of them, whose ``frames`` and ``spans`` are kept.
        frames: where each token is written.
        spans: how many frames each token lasts.
        state: of the prediction network; before the last token while ``is_behind``.
        is_behind: whether the prediction network has still to read the last token.
    """

    log_prob: float
    best: float
    frames: tuple[int, ...]
    spans: tuple[int, ...]
    state: Any
    is_behind: bool = False


_Prefixes = dict[tuple[int, ...], _Prefix]


def beam_search(model: Transducer, beam_size: int) -> list[TransducerHypothesis]:
    """Return all texts that the beam holds at the end, likeliest first."""
    lattice = _Lattice(model, beam_size)
    for frame in range(model.n_frames):
        present = lattice.prune(lattice.arriving.pop(frame, {}))
        for symbol in range(1, model.max_symbols + 1):
            if present:
                present = lattice.prune(lattice.expand(frame, present, symbol == model.max_symbols))
    return lattice.finish()


class _Lattice:
    """The texts on their way, by the frame at which they arrive.

    Attributes:
        arriving: frame -> texts; those at T are finished.
    """

    def __init__(self, model: Transducer, beam_size: int) -> None:
        self.arriving: dict[int, _Prefixes] = {0: {(): _Prefix(0.0, 0.0, (), (), model.start())}}
        self._model, self._beam_size = model, beam_size
        # How likely it is that the text goes on with these tokens, over all alignments that were looked at.
        self._mass: dict[tuple[int, ...], float] = {(): 0.0}

    def prune(self, prefixes: _Prefixes) -> _Prefixes:
        """Keep the likeliest of a frame, the prediction network's states brought up to date."""
        best = sorted(prefixes.items(), key=lambda item: -item[1].log_prob)[: self._beam_size]
        behind = [(tokens, prefix) for tokens, prefix in best if prefix.is_behind]
        if behind:
            states = self._model.advance([p.state for _, p in behind], [tokens[-1] for tokens, _ in behind])
            for (_, prefix), state in zip(behind, states, strict=True):
                prefix.state, prefix.is_behind = state, False
        return dict(best)

    def expand(self, frame: int, present: _Prefixes, is_last: bool) -> _Prefixes:
        """Continue the texts at a frame by the blank and by tokens; returns those that stay at the frame.

        Args:
            frame: the frame.
            present: the texts at it.
            is_last: whether no further token may be written at this frame.
        """
        staying: _Prefixes = {}
        scores, durations = self._model.score(frame, [prefix.state for prefix in present.values()])
        for (tokens, prefix), row, duration_row in zip(present.items(), scores, durations, strict=True):
            for token in (self._model.blank, *self._likeliest_tokens(row)):
                is_blank = token == self._model.blank
                for step, log_prob in steps_of(self._model, is_blank, duration_row):
                    gain = float(row[token]) + log_prob
                    following = tokens
                    if is_blank:
                        new = _continue(prefix, gain, (), ())
                    else:
                        following = (*tokens, token)
                        self._add_mass(following, prefix.log_prob + gain)
                        new = _continue(prefix, gain, (frame,), (step if self._model.durations else 1,))
                    target = staying
                    if step or is_last:
                        arrival = min(frame + max(step, 1), self._model.n_frames)
                        target = self.arriving.setdefault(arrival, {})
                    _merge(target, following, new)
        return staying

    def _likeliest_tokens(self, row: LogProbs) -> list[int]:
        """Return the likeliest tokens of a row (V,) that are not the blank, as many as the beam holds."""
        n = min(self._beam_size + 1, len(row))
        tokens: list[int] = np.argpartition(-row, n - 1)[:n].tolist()
        return sorted((t for t in tokens if t != self._model.blank), key=lambda t: (-row[t], t))

    def _add_mass(self, tokens: tuple[int, ...], log_prob: float) -> None:
        known = self._mass.get(tokens)
        self._mass[tokens] = log_prob if known is None else float(np.logaddexp(known, log_prob))

    def finish(self) -> list[TransducerHypothesis]:
        """Return the texts that came to the end, likeliest first."""
        ends = self.arriving[self._model.n_frames]
        hypotheses = []
        for tokens, prefix in sorted(ends.items(), key=lambda item: -item[1].log_prob):
            masses = [self._mass[tokens[:n]] for n in range(len(tokens) + 1)]
            log_probs = [after - before for before, after in pairwise([*masses, prefix.log_prob])]
            hypotheses.append(TransducerHypothesis(tokens, tuple(log_probs), prefix.frames, prefix.spans))
        return hypotheses


def _continue(prefix: _Prefix, gain: float, frames: tuple[int, ...], spans: tuple[int, ...]) -> _Prefix:
    """Return a text one step later: after a token where that has a frame, else after the blank."""
    return _Prefix(
        prefix.log_prob + gain,
        prefix.best + gain,
        prefix.frames + frames,
        prefix.spans + spans,
        prefix.state,
        is_behind=bool(frames),
    )


def _merge(prefixes: _Prefixes, tokens: tuple[int, ...], new: _Prefix) -> None:
    """Add the probability of an alignment to those of equal text; the better one's frames stay."""
    known = prefixes.get(tokens)
    if known is None:
        prefixes[tokens] = new
        return
    total = float(np.logaddexp(known.log_prob, new.log_prob))
    if new.best > known.best:
        known.best, known.frames, known.spans = new.best, new.frames, new.spans
    if known.is_behind and not new.is_behind:
        known.state, known.is_behind = new.state, False
    known.log_prob = total
