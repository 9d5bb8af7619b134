"""Direct speech translation as a node: English only, and no way around it for what is only written."""

from __future__ import annotations

import pytest

from components.decoding.sampling_settings import Sampling
from components.errors import ConfigError, ModelError
from components.nodes.node_context import NodeContext
from components.recognition.kinds.recognize import SpeechSettings
from components.records import NBest, Utterance
from components.translation import speech
from components.translation.kinds.translate_speech import TranslateSpeech
from tests.components.nodes.items import item, nbest, texts_of

KIND = TranslateSpeech()


def test_other_backends_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected backend .* whisper .* found transformers"):
        KIND.check(SpeechSettings(backend="transformers"), NodeContext("direct"))


def test_a_model_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelError, match="whisper-bse"):
        KIND.check(SpeechSettings(model="packaged:whisper-bse"), NodeContext("direct"))


def test_each_item_is_translated_from_its_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    class Echo:
        def __init__(self, settings: SpeechSettings, store: str | None, seed: int) -> None:
            self.prefix = f"{settings.beam_size} {store} {seed}"

        def translate(self, utterances: list[Utterance]) -> list[NBest]:
            return [nbest(u.id, f"{self.prefix} {u.audio.path}") for u in utterances if u.audio]

    monkeypatch.setattr(speech, "SpeechTranslator", Echo)
    translate = KIND.build(SpeechSettings(beam_size=7), NodeContext("direct", store="s", seed=3))
    assert texts_of(translate([item("u0"), item("u1")])) == ["7 s 0 /x.wav"] * 2
    draws = KIND.build(SpeechSettings(sampling=Sampling()), NodeContext("direct", store="s", seed=3))
    assert texts_of(draws([item("u0")])) == ["5 s 3 /x.wav"]


@pytest.mark.models
def test_a_language_that_whisper_does_not_write_and_an_english_model_are_refused() -> None:
    KIND.validate_models(SpeechSettings(), NodeContext("direct"), frozenset({("de", "en"), ("de", "fr")}))
    with pytest.raises(ConfigError, match="expected target language en, all that Whisper writes, found fr"):
        KIND.validate_models(SpeechSettings(), NodeContext("direct"), frozenset({("de", "fr")}))
    english = SpeechSettings(model="packaged:whisper-tiny.en")
    with pytest.raises(ConfigError, match="found an English-only one"):
        KIND.validate_models(english, NodeContext("direct"), frozenset({("de", "en")}))


def test_targets_are_known_by_their_base() -> None:
    assert [speech.can_translate_to(target) for target in (None, "en", "en-GB", "de")] == [
        True,
        True,
        True,
        False,
    ]
