"""Settings of an upcycled model that contradict each other."""

from __future__ import annotations

from typing import Any

import pytest

from components.experts.kinds.upcycle import UpcycleSettings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_experts": 2, "top_k": 3}, r"top_k: expected 1 to 2 \(experts\), found 3"),
        ({"router": "hidden"}, "prompts: router hidden expects texts for each of the 4 experts, found 0"),
        (
            {"num_experts": 2, "router": "cheap_embed", "prompts": [["a"], ["b"], ["c"]]},
            "prompts: router cheap_embed expects texts for each of the 2 experts, found 3",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UpcycleSettings.model_validate({"models": ["m"], **values})
