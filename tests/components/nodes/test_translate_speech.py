"""Direct speech translation as a node: English only, and no way around it for what is only written."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.nodes.kind import Site
from components.nodes.translate_speech import TranslateSpeech
from components.recognition.config import RecognitionConfig
from components.translation import speech

KIND = TranslateSpeech()


def test_other_backends_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected backend whisper .* found transformers"):
        KIND.check(RecognitionConfig(backend="transformers"), Site("direct"))


@pytest.mark.models
def test_a_language_that_whisper_does_not_write_and_an_english_model_are_refused() -> None:
    KIND.validate_models(RecognitionConfig(), Site("direct"), frozenset({("de", "en"), ("de", "fr")}))
    with pytest.raises(ConfigError, match="expected target language en, all that Whisper writes, found fr"):
        KIND.validate_models(RecognitionConfig(), Site("direct"), frozenset({("de", "fr")}))
    english = RecognitionConfig(model="packaged:whisper-tiny.en")
    with pytest.raises(ConfigError, match="found an English-only one"):
        KIND.validate_models(english, Site("direct"), frozenset({("de", "en")}))


def test_targets_are_known_by_their_base() -> None:
    assert [speech.can_translate_to(target) for target in (None, "en", "en-GB", "de")] == [
        True,
        True,
        True,
        False,
    ]
