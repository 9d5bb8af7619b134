"""The model of a first pipeline, and one clear line where there is none."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.pipeline.advice.starter import DataFacts, choose_translator


def facts(*sources: str, recordings: int = 0) -> DataFacts:
    return DataFacts(2, recordings, 1.0 * recordings, 1.0, sources, (), 0, 0)


def test_speech_goes_straight_into_english_and_text_to_the_best_model_of_all_its_languages() -> None:
    assert choose_translator("mine", facts("xx", recordings=2), "en").task == "translate_speech"
    assert choose_translator("mine", facts("fr", "de"), "en").model == "packaged:qwen2.5-coder-1.5b"
    assert choose_translator("mine", facts("fr", "ja"), "en").model == "packaged:gemma-3-270m"


@pytest.mark.parametrize("target", ["en", "de"])
def test_texts_in_a_language_of_no_model_are_refused_though_speech_in_it_is_not(target: str) -> None:
    with pytest.raises(ConfigError, match="expected a model that translates from xx into"):
        choose_translator("mine", facts("fr", "xx"), target)
