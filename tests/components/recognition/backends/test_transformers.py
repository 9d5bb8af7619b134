"""transformers' Whisper with the same weights says the same as openai-whisper's under our search."""

from __future__ import annotations

import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration
from whisper.model import Whisper

from components.decoding.config import SearchConfig
from components.errors import ModelError
from components.models.conversion.whisper import hub_name
from components.recognition.backends.transformers_whisper.model import TransformersWhisperBackend
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.whisper.backend import DecodingRequest
from tests.components.recognition.tiny import mels, tiny


def as_hub(model: Whisper) -> WhisperForConditionalGeneration:
    dims = model.dims
    config = WhisperConfig(
        vocab_size=dims.n_vocab,
        num_mel_bins=dims.n_mels,
        encoder_layers=dims.n_audio_layer,
        decoder_layers=dims.n_text_layer,
        encoder_attention_heads=dims.n_audio_head,
        decoder_attention_heads=dims.n_text_head,
        d_model=dims.n_audio_state,
        encoder_ffn_dim=4 * dims.n_audio_state,
        decoder_ffn_dim=4 * dims.n_text_state,
        max_source_positions=dims.n_audio_ctx,
        max_target_positions=dims.n_text_ctx,
        decoder_start_token_id=50258,
        bos_token_id=50257,
        eos_token_id=50257,
        pad_token_id=50257,
    )
    hub = WhisperForConditionalGeneration(config)
    state = {hub_name(name): tensor for name, tensor in model.state_dict().items()}
    report = hub.load_state_dict(state, strict=False)
    assert set(report.missing_keys) <= {"proj_out.weight"}
    assert not report.unexpected_keys
    return hub.eval()


@pytest.mark.parametrize("packed", [None, "float32"])
@pytest.mark.parametrize("beam", [1, 3])
def test_both_models_give_the_same_hypotheses(beam: int, packed: object) -> None:
    model, batch = tiny(4), mels(2, 5)
    ours, hub = OpenAIWhisperBackend(model), TransformersWhisperBackend(as_hub(model), "tiny", packed)  # type: ignore[arg-type]
    assert hub.dims == ours.dims
    sound = ours.encode(batch)
    features = hub.encode(batch)
    torch.testing.assert_close(features, sound.states, rtol=1e-3, atol=1e-3)
    for theirs, mine in zip(hub.detect_languages(features), ours.detect_languages(sound), strict=True):
        assert theirs.code == mine.code
        assert theirs.probability == pytest.approx(mine.probability, rel=1e-3)
    prompts = torch.tensor([[50361, 300, 50258, 50259, 50359]] * 2)
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=8)
    pairs = zip(
        ours.decode(sound, DecodingRequest(prompts, config, True, [1, 2])),
        hub.decode(features, DecodingRequest(prompts, config, True, [1, 2])),
        strict=True,
    )
    for mine, theirs in pairs:
        assert [c.tokens for c in mine.candidates] == [c.tokens for c in theirs.candidates]
        assert [c.score for c in mine.candidates] == pytest.approx(
            [c.score for c in theirs.candidates], rel=1e-3
        )
        assert mine.no_speech == pytest.approx(theirs.no_speech, rel=1e-2)


def test_language_detection_is_openai_whispers() -> None:
    model, batch = tiny(6), mels(3, 6)
    _, probabilities = model.detect_language(batch)
    backend = OpenAIWhisperBackend(model)
    detected = backend.detect_languages(backend.encode(batch))
    assert [language.code for language in detected] == [
        max(row, key=row.__getitem__) for row in probabilities
    ]
    assert [language.probability for language in detected] == pytest.approx(
        [max(row.values()) for row in probabilities], rel=1e-3
    )


@pytest.mark.parametrize("pair", [[2, 0], [0, 2], [-1, 0]])
def test_alignment_heads_that_the_model_does_not_have_are_refused(pair: list[int]) -> None:
    hub = as_hub(tiny(4))
    hub.generation_config.alignment_heads = [[1, 0], pair]
    layer, head = pair
    message = rf"^tiny: expected alignment_heads of 2 layers with 2 heads, found \[{layer}, {head}\]: correct"
    with pytest.raises(ModelError, match=message):
        TransformersWhisperBackend(hub, "tiny")


def test_other_models_are_refused() -> None:
    class Other:
        class config:  # noqa: N801
            model_type = "wav2vec2"

    with pytest.raises(ModelError, match="expected a Whisper model, found wav2vec2"):
        TransformersWhisperBackend(Other(), "other")
