"""What a user can set on a translator. Flat, described, bounded: the Prefect UI makes its form of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TranslationConfig(BaseModel):
    """Settings of a text translator: model, search, and the prompt of a causal model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        "packaged:multi30k-en-de", description="model reference: hub:, packaged:, store: or a path"
    )
    beam_size: int = Field(5, ge=1, le=64, description="hypotheses kept per sentence; 1 is greedy")
    n_best: int = Field(5, ge=1, le=64, description="hypotheses returned per sentence, at most beam_size")
    batch_size: int = Field(16, ge=1, le=512, description="sentences decoded together")
    length_penalty: float = Field(
        1.0,
        ge=0.0,
        le=5.0,
        description="exponent of the length that divides a hypothesis's score in the beam",
    )
    max_tokens: int = Field(256, ge=1, le=4096, description="tokens per sentence at most")
    prompt: Literal["auto", "few-shot", "chat"] = Field(
        "auto", description="causal models only: auto = chat template where the tokenizer has one"
    )
    examples: str | None = Field(
        None,
        description="causal models only: a JSONL file of {source, target} examples for the few-shot prompt",
    )
    dtype: Literal["float32", "bfloat16", "float16", "int8"] = Field(
        "float32", description="arithmetic; int8 quantises the linear layers (CPU)"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
