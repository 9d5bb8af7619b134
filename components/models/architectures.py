"""Architectures by the names that checkpoints carry: known before anything that loads them is imported."""

from __future__ import annotations

CAUSAL = ("CausalLM", "LMHeadModel")
"""How the names of decoder-only architectures end."""
MULTILINGUAL = ("m2m_100", "mbart", "nllb-moe")
"""``model_type`` of translators that are told the languages by tokens."""
DELIBERATION = "AntiphonDeliberation"
EDIT_DIFFUSION = "AntiphonEditDiffusion"
STACKED = "AntiphonStackedModel"
SPHINX = "pocketsphinx"
