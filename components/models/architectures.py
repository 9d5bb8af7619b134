"""Names of architectures as checkpoints carry them, for code that must not import what loads them."""

from __future__ import annotations

CAUSAL = ("CausalLM", "LMHeadModel")
"""How the names of decoder-only architectures end."""
MULTILINGUAL = ("m2m_100", "mbart", "nllb-moe", "seamless_m4t", "seamless_m4t_v2")
"""``model_type`` of translators that take the languages as tokens."""
CONVERTED = ("marian", "m2m_100", "mbart", "bart", "pegasus", "t5", "mt5", "umt5")
"""``model_type`` of the encoder-decoder models that CTranslate2 converts."""
TAGGED = ("t5", "umt5")
"""``model_type`` of those whose tokenizers may have tags of target languages, as MADLAD's has."""
SEAMLESS = "SeamlessM4T"
"""How the names of architectures begin that also hear and speak; their text parts translate text."""
DELIBERATION = "AntiphonDeliberation"
EDIT_DIFFUSION = "AntiphonEditDiffusion"
STACKED = "AntiphonStackedModel"
SPEECH_CTC = "AntiphonSpeechCtc"
"""Whisper's encoder with a CTC head."""
SERVED = "served"
"""Of every model behind an endpoint."""
COMET = "AntiphonComet"
"""A metric of the COMET family, converted from its Lightning checkpoint."""
METRICX = "MT5ForRegression"
"""A metric of the MetricX family, as its config.json says."""
