"""Which of a search's logits processors are a part of its steps, and what is left to apply after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from components.decoding.constraints.logits_processors import AtSteps, LogitsProcessor, TokenRule


class StepProcessors:
    """The logits processors of a search by where they are applied.

    A step ends with the first of them that are functions of tensors, those left out that act at some steps
    only. Where one of these acts, the step ends without any, and all are applied after it, in their order.

    Attributes:
        rules: those that a step ends with.
        limit: tokens of a search at most.
    """

    def __init__(self, processors: Sequence[LogitsProcessor], max_new_tokens: int) -> None:
        """Divide ``processors``, in order, of a search for at most ``max_new_tokens`` tokens."""
        self._all, self.limit = processors, max_new_tokens
        self._at_steps = [each for each in processors if isinstance(each, AtSteps)]
        always = [each for each in processors if not isinstance(each, AtSteps)]
        self.rules = tuple(_leading_rules(always))
        self._others = always[len(self.rules) :]

    @property
    def holds_all(self) -> bool:
        """Whether a step ends with all that act at every step, so that nothing is left at most of them."""
        return not self._others

    def ends_bare(self, step: int) -> bool:
        """Return whether the step before which there are ``step`` tokens ends without rules."""
        return any(each.acts(step, self.limit) for each in self._at_steps)

    def left(self, step: int) -> Sequence[LogitsProcessor]:
        """Return what is to be applied after this step, in order."""
        return self._all if self.ends_bare(step) else self._others


def _leading_rules(processors: Sequence[LogitsProcessor]) -> Iterator[TokenRule]:
    for each in processors:
        if not isinstance(each, TokenRule):
            return
        yield each
