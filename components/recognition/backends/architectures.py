"""Architectures that the backends of recognition read, without importing what loads them."""

from __future__ import annotations

from components.models.architectures import SPEECH_CTC

CTC = (
    *("Wav2Vec2ForCTC", "Wav2Vec2ConformerForCTC", "Wav2Vec2BertForCTC", "Data2VecAudioForCTC"),
    *("HubertForCTC", "WavLMForCTC", "UniSpeechForCTC", "UniSpeechSatForCTC", "SEWForCTC", "SEWDForCTC"),
    *("ParakeetForCTC", "LasrForCTC", SPEECH_CTC),
)
"""Models that label the frames of speech."""
TRANSDUCERS = ("ParakeetForRNNT", "ParakeetForTDT")
"""Models that write tokens while they walk over the frames of speech."""
SEQ2SEQ = (
    *("MoonshineForConditionalGeneration", "MoonshineStreamingForConditionalGeneration"),
    *("Speech2TextForConditionalGeneration", "SeamlessM4TModel", "SeamlessM4TForSpeechToText"),
    *("SeamlessM4Tv2Model", "SeamlessM4Tv2ForSpeechToText"),
    *("CanaryForConditionalGeneration", "CohereAsrForConditionalGeneration"),
)
"""Encoder-decoders beside Whisper that read speech."""
AUDIO_LM = (
    *("Qwen2AudioForConditionalGeneration", "VoxtralForConditionalGeneration"),
    *("GraniteSpeechForConditionalGeneration", "GraniteSpeechPlusForConditionalGeneration"),
    *("AudioFlamingo3ForConditionalGeneration", "GlmAsrForConditionalGeneration"),
    "Qwen3ASRForConditionalGeneration",
)
"""Audio language models: decoder-only models whose prompts hold sound."""
