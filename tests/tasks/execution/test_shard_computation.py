from __future__ import annotations

from collections.abc import Sequence

import pytest
from tasks.execution.shards.shard_computation import _compute_checked

from components.nodes.node_context import Item
from components.records import NodeOutcome, Quarantined, Utterance
from tests.reports.example_runs import nbest

ITEMS = [Item(utterance=Utterance(id=key, text=key, source_language="en")) for key in ("u0", "u1")]
FIRST = nbest("u0", ["a"], "x")
SECOND = Quarantined(utterance_id="u1", stage="x", reason="bad", detail="it is")


def test_outcomes_and_what_was_quarantined_are_lines_of_their_own() -> None:
    result = _compute_checked("x", lambda items: [FIRST, SECOND], ITEMS, filters=False)
    assert [len(result.outputs), len(result.errors)] == [1, 1]


@pytest.mark.parametrize("outcomes", [[FIRST], [SECOND, FIRST], [FIRST, SECOND, SECOND], [FIRST, None], []])
def test_a_component_that_does_not_answer_for_each_item_in_order_is_at_fault(
    outcomes: Sequence[NodeOutcome | None],
) -> None:
    with pytest.raises(RuntimeError, match=r"^x: expected outcomes for \['u0', 'u1'\], in this order, found"):
        _compute_checked("x", lambda items: outcomes, ITEMS, filters=False)


def test_a_filter_may_leave_an_item_out() -> None:
    result = _compute_checked("x", lambda items: [FIRST, None], ITEMS, filters=True)
    assert (len(result.outputs), result.errors) == (1, [])
