"""Settings of stacked systems, their speech encoder and their training.

Flat, described and bounded, because Prefect's UI makes its form of them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.stage_settings import Device, ModelRef, Seed, Settings

VERSION, NBEST_FUSION_VERSION = "2", "pooled-1"
"""Parts of the keys of systems that search, and of fused n-best lists: they change when outputs do."""
ENCODER_STATES_VERSION = 1
"""Part of the keys of encoder states: changes when the states do."""

PROMPTED_VERSION = "prompted-1"
"""The same of prompted audio language models."""

Method = Literal["direct", "late_fusion", "pre_translation", "dual_source", "pooled", "prompted"]
SPEECH_MODEL_KINDS = {"direct": "direct", "late_fusion": "direct", "dual_source": "dual"}
"""Method whose model reads speech -> the kind of that model."""
FUSION_METHODS = ("late_fusion", "pooled")
"""Methods that are mixed with the cascade's text model, by a coefficient."""
MAX_SECONDS = 30.0
"""Longest recording: Whisper's encoder has no positions for more."""


class StackConfig(Settings):
    """A second system that reads speech and the outputs of the first one."""

    method: Method = Field(
        "dual_source",
        description="direct: speech alone; late_fusion: text model and direct model in one search; "
        "pre_translation: transcript and the mt stage's translation; dual_source: transcript and speech; "
        "pooled: the mt stage's list and Whisper's own translations, each text scored by both (English); "
        "prompted: an audio language model hears the speech and reads the transcript in its prompt",
    )
    model: ModelRef | None = Field(
        None,
        description="store:KEY or a folder of the method's model; empty = one is trained (see learn); "
        "pooled: a Whisper, learn.speech_model if empty; prompted: hub:, store: or a path, never empty",
    )
    coefficient: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="late_fusion, pooled: weight of the direct model; empty = learned on the development "
        "data",
    )
    transcripts: int = Field(
        1,
        ge=1,
        le=16,
        description="dual_source, prompted: transcripts of the n-best list that are read, at most",
    )
    ablate: tuple[Literal["transcript", "sound", "draft"], ...] = Field(
        (), description="sources that are left blank (no words, silence): what the others do without them"
    )
    beam_size: int = Field(5, ge=1, le=64, description="hypotheses kept per utterance; 1 is greedy")
    n_best: int = Field(5, ge=1, le=64, description="hypotheses returned per utterance, at most beam_size")
    batch_size: int = Field(16, ge=1, le=512, description="utterances decoded together")
    length_penalty: float = Field(
        1.0,
        ge=0.0,
        le=5.0,
        description="exponent of the length that divides a hypothesis's score in the beam",
    )
    max_tokens: int = Field(128, ge=1, le=500, description="tokens per utterance at most")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="arithmetic of the text or audio model, of pooled also of the recognizer; auto = "
        "float32, on CUDA bfloat16 and float16",
    )
    device: Device = Field("auto", description="auto, cpu, cuda, cuda:N or mps")


class SpeechConfig(Settings):
    """The speech encoder of a model that reads speech, and how its states are made."""

    model: ModelRef = Field(
        "packaged:whisper-base", description="model reference of the Whisper to encode with"
    )
    window_seconds: float = Field(
        8.0,
        ge=1.0,
        le=MAX_SECONDS,
        description="recordings are padded to this length; 30 is Whisper's own window",
    )
    pooling: int = Field(2, ge=1, le=8, description="states averaged to one; Whisper gives 50 a second")


class StackTrainingConfig(Settings):
    """The training of a stacked model."""

    init_from: ModelRef = Field(
        "packaged:multi30k-en-de",
        description="Marian-architecture text model: the weights and the vocabulary to start from",
    )
    seed: Seed = Field(1, ge=0, lt=2**31, description="of initial weights, dropout and the order of the data")
    steps: int = Field(600, ge=1, description="optimizer steps")
    learning_rate: float = Field(5e-4, gt=0.0, le=1.0, description="peak learning rate of AdamW")
    warmup_steps: int = Field(100, ge=1, description="steps of linear warm-up")
    batch_tokens: int = Field(1000, ge=16, description="padded tokens per batch at most")
    eval_every: int = Field(100, ge=1, description="steps between evaluations on the development data")
    dropout: float = Field(0.2, ge=0.0, lt=1.0, description="dropout")
    threads: int = Field(1, ge=1, le=256, description="CPU threads; their number decides the last bits")


class SpeechTrainingConfig(StackTrainingConfig):
    """The training of a model that reads speech."""

    stack: int = Field(1, ge=1, le=16, description="neighboring states that are concatenated to one")
    freeze: bool = Field(
        False, description="train only what reads speech, not the text model (for little spoken data)"
    )


class JackknifeConfig(StackTrainingConfig):
    """The training of a model that reads drafts."""

    folds: int = Field(
        2,
        ge=2,
        le=20,
        description="pre_translation: folds of the jackknife; each is drafted by a model of the others",
    )
    fold_steps: int = Field(1000, ge=1, description="pre_translation: optimizer steps of each fold's model")


class PreTranslationConfig(JackknifeConfig):
    """The training of a model that reads drafts, and how its training data are drafted."""

    max_tokens: int = Field(256, ge=1, le=4096, description="tokens per sentence of a draft at most")


class StackLearningConfig(SpeechTrainingConfig, PreTranslationConfig):
    """The data and the training of a stacked model, where there is none."""

    data: str = Field(
        "multi30k:train",
        description="training data: a manifest with audio, or text, which is then spoken (see synthesis)",
    )
    limit: int | None = Field(2000, ge=1, description="training utterances at most; empty = all")
    dev: str = Field(
        "multi30k:val",
        description="development data: picks the checkpoint and the coefficient (never a test set)",
    )
    dev_limit: int | None = Field(100, ge=1, description="development utterances at most; empty = all")
    speech_model: str = Field("packaged:whisper-base", description="Whisper whose encoder is used, frozen")
    window_seconds: float = Field(
        8.0,
        ge=1.0,
        le=MAX_SECONDS,
        description="audio is padded to this before Whisper encodes it; 30 is its own",
    )
    pooling: int = Field(2, ge=1, le=8, description="Whisper's states averaged to one; it gives 50 a second")
