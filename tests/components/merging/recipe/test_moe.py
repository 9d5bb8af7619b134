"""mergekit-moe's YAML as settings of the kind ``upcycle``."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.experts.kinds.upcycle import Upcycle, UpcycleSettings
from components.nodes.node_context import NodeContext

RECIPE = """\
base_model: org/b
gate_mode: cheap_embed
dtype: bfloat16
experts:
  - source_model: org/a
    positive_prompts: ["As a doctor,"]
  - source_model: org/b
    positive_prompts:
      - "Once upon a time"
      - "In a galaxy"
"""


def test_the_base_is_the_first_expert_with_its_prompts() -> None:
    settings = UpcycleSettings(recipe=RECIPE)
    assert settings.models == ("org/b", "org/a")
    assert settings.prompts == (("Once upon a time", "In a galaxy"), ("As a doctor,",))
    assert (settings.num_experts, settings.top_k, settings.router) == (2, 2, "cheap_embed")
    assert settings.dtype == "bfloat16"


def test_the_same_model_eight_times() -> None:
    keys = {"base_model": "org/a", "gate_mode": "random", "experts": [{"source_model": "org/a"}] * 8}
    settings = UpcycleSettings(recipe=keys)
    assert settings.models == ("org/a",) * 8
    plain = UpcycleSettings(models=settings.models, num_experts=8)
    assert Upcycle().parameters(settings, NodeContext("moe")) == Upcycle().parameters(
        plain, NodeContext("moe")
    )
    assert "dtype" not in Upcycle().parameters(plain, NodeContext("moe"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("org/b\ngate", "org/c\ngate"), "recipe:1: base_model: expected one of the experts' models"),
        (
            ("dtype:", "shared_experts: [x]\ndtype:"),
            "recipe:3: shared_experts: a shared expert is not made here",
        ),
        (("positive_prompts: [", "negative_prompts: ["), "recipe:6: .*negative_prompts: routers begin with"),
        (("dtype:", "architecture: qwen\ndtype:"), "recipe:3: architecture: expected mixtral"),
        (("cheap_embed", "cheap"), "recipe:2: gate_mode: expected one of hidden"),
        (("experts:", "expert:"), "did you mean experts"),
    ],
)
def test_what_is_not_made_here_is_refused_by_its_line(change: tuple[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        UpcycleSettings(recipe=RECIPE.replace(*change))
