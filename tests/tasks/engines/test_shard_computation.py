from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from components.errors import ComponentError
from components.nodes.node_context import Item, NodeContext
from components.records import Quarantined, Utterance
from tasks.engines.shard_computation import _compute_checked
from tests.reports.example_runs import nbest

ITEMS = [Item(utterance=Utterance(id=key, text=key, source_language="en")) for key in ("u0", "u1")]
FIRST = nbest("u0", ["a"], "x")
JOB: Any = SimpleNamespace(context=NodeContext("x"), device="cpu")
SECOND = Quarantined(utterance_id="u1", stage="x", reason="bad", detail="it is")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ([FIRST], "'nothing' in the place of u1"),
        ([SECOND, FIRST], "that of u1 in the place of u0"),
        ([FIRST, SECOND, SECOND], "that of u1 in the place of nothing"),
        ([FIRST, None], "None in the place of u1"),
        ([FIRST, "a text"], "'a text' in the place of u1"),
        (None, "None in the place of u0"),
    ],
)
def test_a_component_that_does_not_answer_for_each_item_in_order_is_at_fault(answer: Any, found: str) -> None:
    expected = "x: expected its code to return 2 outcomes in the order of its items, found "
    with pytest.raises(ComponentError) as caught:
        _compute_checked(JOB, lambda items: answer, ITEMS, filters=False)
    assert str(caught.value) == expected + found


def test_a_filter_may_leave_an_item_out() -> None:
    outcomes, _ = _compute_checked(JOB, lambda items: [FIRST, None], ITEMS, filters=True)
    assert [outcome for outcome in outcomes if outcome is not None] == [FIRST]
    with pytest.raises(ComponentError, match="None in the place of nothing"):
        _compute_checked(JOB, lambda items: [FIRST, None, None], ITEMS, filters=True)
