from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from components.nodes.node_context import Item, NodeContext
from components.records import NodeOutcome, Quarantined, Utterance
from tasks.engines.shard_computation import _compute_checked
from tests.reports.example_runs import nbest

ITEMS = [Item(utterance=Utterance(id=key, text=key, source_language="en")) for key in ("u0", "u1")]
FIRST = nbest("u0", ["a"], "x")
JOB: Any = SimpleNamespace(context=NodeContext("x"), device="cpu")
SECOND = Quarantined(utterance_id="u1", stage="x", reason="bad", detail="it is")


@pytest.mark.parametrize("outcomes", [[FIRST], [SECOND, FIRST], [FIRST, SECOND, SECOND], [FIRST, None], []])
def test_a_component_that_does_not_answer_for_each_item_in_order_is_at_fault(
    outcomes: Sequence[NodeOutcome | None],
) -> None:
    with pytest.raises(RuntimeError, match=r"^x: expected outcomes for \['u0', 'u1'\], in this order, found"):
        _compute_checked(JOB, lambda items: outcomes, ITEMS, filters=False)


def test_a_filter_may_leave_an_item_out() -> None:
    outcomes, _ = _compute_checked(JOB, lambda items: [FIRST, None], ITEMS, filters=True)
    assert [outcome for outcome in outcomes if outcome is not None] == [FIRST]
