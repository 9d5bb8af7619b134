"""What an ensemble of translators is refused for before any of its models is loaded."""

from __future__ import annotations

import pytest

from components.decoding.member_settings import MixingConfig
from components.ensembling.token_level.checks import check_learning, check_translators
from components.errors import ConfigError
from components.translation.config import Context, EnsembleConfig

PAIR = EnsembleConfig(members=("a", "b"), mixing=MixingConfig())


def test_context_is_for_a_single_model() -> None:
    with pytest.raises(ConfigError, match=r"context: .* found several mixed: leave it out"):
        check_translators(PAIR.model_copy(update={"context": Context()}), None)


@pytest.mark.parametrize("ensemble", [None, PAIR])
def test_nothing_to_learn_is_refused(ensemble: EnsembleConfig | None) -> None:
    with pytest.raises(ConfigError, match=r"combine\.learn: expected constants or gate, .* nothing to learn"):
        check_learning(ensemble, None)
