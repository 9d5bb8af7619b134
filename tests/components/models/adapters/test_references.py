"""References of models with adapters: read, written, and renamed part by part."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConfigError
from components.models.adapted_references import (
    WeightedAdapter,
    join_adapters,
    split_adapters,
)
from components.recognition.config import RecognitionConfig
from components.translation.config import TranslationConfig

NAMES = st.sampled_from(["hub:org/name", "store:0123456789ab", "node:lora", "./folder", "packaged:x"])
ADAPTERS = st.lists(
    st.builds(WeightedAdapter, NAMES, st.floats(-100, 100, allow_nan=False)), min_size=1, max_size=3
)


@given(NAMES, ADAPTERS)
def test_what_is_joined_is_split_again(base: str, adapters: list[WeightedAdapter]) -> None:
    assert split_adapters(join_adapters(base, tuple(adapters))) == (base, tuple(adapters))


def test_a_path_that_exists_is_no_sum(tmp_path: Path) -> None:
    folder = tmp_path / "c++"
    folder.mkdir()
    assert split_adapters(str(folder)) == (str(folder), ())


@pytest.mark.parametrize("reference", ["base+", "+lora", "base++lora", "base+0.5*", "base+1e9*lora"])
def test_parts_that_are_missing_are_refused(reference: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        split_adapters(reference)


@pytest.mark.parametrize("settings", [TranslationConfig, RecognitionConfig])
def test_the_setting_becomes_a_part_of_the_model_and_leaves_the_key(
    settings: type[TranslationConfig | RecognitionConfig],
) -> None:
    plain = settings(model="hub:a/b")
    assert settings(model="hub:a/b", adapter="hub:c/d").model == "hub:a/b+hub:c/d"
    both = settings(model="hub:a/b", adapter={"hub:c/d": 0.5, "./e": 1})
    assert both.model == "hub:a/b+0.5*hub:c/d+./e"
    assert both == settings.model_validate(both.model_dump())
    assert both.settings_for_key({"model"}) == plain.settings_for_key({"model"})
    with pytest.raises(ConfigError, match="expected a weight"):
        settings(adapter={"hub:c/d": "much"})  # type: ignore[dict-item]
