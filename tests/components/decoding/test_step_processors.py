"""What a step applies and what is left are together all processors in their order."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import Tensor

from components.decoding.accelerator.members.device_ensemble import StepProcessors
from components.decoding.constraints.logits_processors import History, apply_processors
from components.decoding.constraints.token_constraints import (
    Renormalize,
    bias_sequences,
    force_last,
    no_repeat_ngram,
    suppress,
    suppress_until,
)

LIMIT = 4


def on_the_host(log_probs: Tensor, history: History) -> Tensor:
    return log_probs * (1 + history.tokens.sum(1, keepdim=True) % 3)


PROCESSORS = [
    suppress([3]),
    bias_sequences([([1], 0.5), ([1, 2], 1.5)]),
    no_repeat_ngram(1),
    suppress_until(2, [0]),
    force_last([3]),
    on_the_host,
    Renormalize(),
]


def test_in_every_order_at_every_step() -> None:
    tokens = torch.tensor([[1, 2, 1], [4, 1, 2], [0, 4, 1]])
    log_probs = torch.randn(3, 6, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    for length in (1, 2, 4):
        for processors in permutations(PROCESSORS, length):
            parts = StepProcessors(processors, LIMIT)
            for step in range(LIMIT):
                history = History(tokens[:, :step], torch.arange(3), LIMIT)
                expected = apply_processors(processors, log_probs.clone(), history)
                result = log_probs.clone()
                if not parts.ends_bare(step):
                    for rule in parts.rules:
                        result = rule.apply(result, history.tokens)
                result = apply_processors(parts.left(step), result, history)
                assert torch.equal(result.nan_to_num(99.0), expected.nan_to_num(99.0))


def test_a_step_holds_rules_up_to_the_first_processor_that_is_none() -> None:
    ngram, never, early, normal = no_repeat_ngram(1), suppress([3]), suppress_until(2, [0]), Renormalize()
    parts = StepProcessors([ngram, early, never, on_the_host, normal], LIMIT)
    assert parts.rules == (ngram, never) and not parts.holds_all
    assert [parts.ends_bare(step) for step in range(LIMIT)] == [True, True, False, False]
    assert parts.left(3) == [on_the_host, normal] and len(parts.left(1)) == 5
    assert StepProcessors([early, never], LIMIT).holds_all
