from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.records import Hypothesis, NBest, Outcome, Quarantined, Utterance
from tasks.shards import compute, packed, shard_size


def outcome(utterance: Utterance) -> Outcome:
    if utterance.id.startswith("bad"):
        return Quarantined(utterance_id=utterance.id, stage="mt", reason="bad", detail="its id says so")
    best = Hypothesis(text=f"{utterance.text}!", score=-1.5, n_tokens=2, system="mt")
    return NBest(utterance_id=utterance.id, hypotheses=(best,))


def component(utterances: Sequence[Utterance]) -> list[Outcome]:
    return [outcome(utterance) for utterance in utterances]


UTTERANCES = [
    Utterance(id=name, text="a\u2028b\u0085c\n", source_language="en") for name in ("u1", "bad 2", "u3")
]


def test_outcomes_are_split_and_read_back_as_they_were() -> None:
    """Line separators inside a text (U+2028, U+0085) are no ends of records."""
    shard = compute("mt", packed(UTTERANCES), component)
    good = [NBest.model_validate_json(line) for line in shard.outputs]
    bad = [Quarantined.model_validate_json(line) for line in shard.errors]
    expected = component(UTTERANCES)
    assert [good[0], bad[0], good[1]] == expected
    assert not any("\n" in line for line in shard.outputs + shard.errors)
    assert shard.peak_memory_bytes > 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda us: component(us)[:-1],
        lambda us: component(us)[::-1],
        lambda us: component([us[0], us[0], us[2]]),
        lambda us: [*component(us), outcome(us[0])],
    ],
)
def test_a_component_that_loses_or_shuffles_records_is_caught(wrong: object) -> None:
    with pytest.raises(RuntimeError, match="stage mt: expected outcomes for"):
        compute("mt", packed(UTTERANCES), wrong)  # type: ignore[arg-type]


@given(st.integers(0, 1_000_000))
def test_there_are_never_more_than_two_hundred_shards(total: int) -> None:
    size = shard_size(total)
    assert size >= 32
    assert -(-total // size) <= 200
    assert size == 32 or size == -(-total // 200)


def test_a_shard_is_computed_on_as_many_threads_as_its_sender_has() -> None:
    """The last bits of a score depend on the number; a Dask or Ray worker has another one of its own."""
    before = torch.get_num_threads()
    seen: list[int] = []

    def counting(utterances: Sequence[Utterance]) -> list[Outcome]:
        seen.append(torch.get_num_threads())
        return component(utterances)

    try:
        torch.set_num_threads(3)
        payload = packed(UTTERANCES)
        torch.set_num_threads(1)
        compute("mt", payload, counting)
        assert (seen, torch.get_num_threads()) == ([3], 1)
    finally:
        torch.set_num_threads(before)
