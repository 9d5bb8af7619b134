"""Settings of recognizers and their token-level ensembles. Flat, described, bounded: for a form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from components.decoding.draft_settings import DRAFT_DESCRIPTION, DRAFT_TOKENS, refuse_draft
from components.decoding.member_settings import Combination, MemberDevices
from components.decoding.sampling_settings import Sampling, refuse_settings
from components.models.adapted_references import fold_adapter
from components.stage_settings import Device, FilePath, ModelRef, Settings, StageSettings
from components.text.extension_choice import ExtensionChoice

AUTO: Final = "auto"
BackendName = Annotated[str, ExtensionChoice("antiphon.recognizers", AUTO)]

NGRAM_VERSION = "2"
"""Of how texts are scored by n-gram models."""


class CtcScoring(Settings):
    """A CTC model over characters that takes part in the search of a Whisper (Watanabe et al. 2017)."""

    model: str = Field(description="model reference of a CTC model: of train_ctc, or hub:, store: or a path")
    weight: float = Field(
        0.3, gt=0.0, le=1.0, description="of CTC's log-probability of the text; Whisper's has the rest"
    )


class LanguageModelFusion(Settings):
    """A language model that takes part in the search of a Whisper."""

    model: str = Field(
        description="model reference of a causal language model, or an n-gram model: a file that ends with "
        ".arpa, of words in lower case without punctuation (extra 'sphinx')"
    )
    weight: float = Field(0.2, gt=0.0, le=5.0, description="of its log-probability of the text (nats)")
    source: str | None = Field(
        None,
        description="density ratio: a language model of texts such as the recognizer was trained on, whose "
        "log-probability is subtracted with the same weight",
    )

    @property
    def models(self) -> dict[str, str]:
        """Role -> reference of each causal language model."""
        named = {"lm": self.model, "source_lm": self.source}
        return {role: name for role, name in named.items() if name and not is_ngram(name)}

    @property
    def files(self) -> dict[str, str]:
        """Role -> file of each n-gram model."""
        named = {"ngram": self.model, "source_ngram": self.source}
        return {role: name for role, name in named.items() if name and is_ngram(name)}

    def resolve_paths(self, folder: Path) -> LanguageModelFusion:
        """Return the same with files that are relative to ``folder``."""
        paths = {
            field: str(folder / name)
            for field in ("model", "source")
            if (name := getattr(self, field)) and is_ngram(name)
        }
        return self.model_copy(update=paths)


def is_ngram(reference: str) -> bool:
    """Return whether a language model is an n-gram model in a file."""
    return reference.endswith(".arpa")


class RecognitionConfig(StageSettings):
    """Settings of a speech recognizer: model, search, segmentation and checks of its windows."""

    keyed_when_set: ClassVar[tuple[str, ...]] = (
        *("word_times", "prompt", "sampling", "entropies", "adapter", "terms"),
        *("ctc", "language_model", "draft", "draft_tokens"),
    )

    model: ModelRef = Field(
        "packaged:whisper-base",
        description="model reference: hub:, whisper:, packaged:, sphinx:, onnx:, store:, served: or a path",
    )
    adapter: str | dict[str, float] | None = Field(
        None,
        description="LoRA of PEFT that is merged into the model: hub:, store:, node: or a folder; several "
        "with weights as {REFERENCE: WEIGHT, ...}; the same as model BASE+WEIGHT*ADAPTER",
    )
    backend: BackendName = Field(
        AUTO,
        description="auto = what reads the model, by its configuration; whisper = our batched decoding; "
        "ctc = models that label frames (Wav2Vec2, HuBERT, WavLM, Parakeet, heads of train_ctc); transducer "
        "= Parakeet RNN-T and TDT; seq2seq = other encoder-decoders (Moonshine, SeamlessM4T, Canary); "
        "audio-lm = audio language models (Qwen2-Audio, Voxtral); transformers and faster-whisper (extra "
        "'fast') = Whisper by these libraries; onnx-asr, pocketsphinx and served: models of these "
        "schemes (docs/families/recognizers.md)",
    )
    beam_size: int = Field(5, ge=1, le=64, description="hypotheses kept per utterance; 1 is greedy")
    n_best: int = Field(5, ge=1, le=64, description="hypotheses returned per utterance, at most beam_size")
    batch_size: Annotated[int, Field(ge=1, le=512)] | Literal["auto"] = Field(
        8,
        description="audio windows decoded together; auto = what fits a GPU, 8 on a CPU; where memory runs "
        "out, half as many",
    )
    length_penalty: float = Field(
        1.0,
        ge=0.0,
        le=5.0,
        description="exponent of the length that divides a hypothesis's score in the beam",
    )
    max_tokens: int = Field(224, ge=1, le=448, description="tokens per 30-second window at most")
    timestamps: bool = Field(
        True, description="decode with timestamps (without them batched decoding drops text)"
    )
    word_times: bool = Field(
        False,
        description="when every word of the best text is said, and its probability; segments then begin and "
        "end with their words (an ensemble aligns with its first member)",
    )
    padding_stride: int = Field(
        4,
        ge=1,
        le=6,
        description="audio is padded to Whisper's 30 seconds: of the padding the encoder computes every n-th "
        "position, which counts for n (backend whisper; 1 = all of them, as openai-whisper does: nearly "
        "the same text at more than twice the time on short recordings)",
    )
    window_seconds: float = Field(
        30.0,
        ge=1.0,
        le=30.0,
        description="audio is padded to at least this before it is encoded (backend whisper); less than "
        "Whisper's own 30 leaves padding out and changes some words",
    )
    vad: bool = Field(
        True,
        description="voice activity detection: cut audio longer than one window at its pauses, take what "
        "fits one window for silence where it finds no voice and no_speech_threshold is passed, and let "
        "Whisper's words begin and end with the voice",
    )
    no_speech_threshold: float = Field(
        0.6,
        ge=0.0,
        le=1.0,
        description="above this no-speech probability, with a low score, a window is silence",
    )
    log_prob_threshold: float = Field(
        -1.0,
        le=0.0,
        description="mean log-probability (nats per token) below which a window is decoded again hotter",
    )
    compression_ratio_threshold: float = Field(
        2.4, gt=0.0, description="gzip ratio above which a window counts as a repetition loop"
    )
    temperature_fallback: tuple[Annotated[float, Field(ge=0.0)], ...] = Field(
        (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
        min_length=1,
        description="temperatures tried in turn while a window is not accepted; the first is normally 0",
    )
    condition_on_previous_text: bool = Field(
        False, description="prompt a window with the text of the one before it (prone to loops)"
    )
    prompt: str = Field(
        "",
        max_length=2_000,
        description="text that every window is taken to follow: names, spelling, style (Whisper's initial "
        "prompt; backends whisper and transformers)",
    )
    terms: FilePath | None = Field(
        None,
        description="a file of names and phrases to listen for, TSV with the columns source and boost "
        "(backends whisper and transformers; docs/use/terms.md)",
    )
    ctc: CtcScoring | None = Field(
        None,
        description="a CTC model that scores the hypotheses of the search, too (backends whisper and "
        "transformers; docs/families/recognizers.md)",
    )
    language_model: LanguageModelFusion | None = Field(
        None,
        description="a language model that scores the hypotheses of the search, too (backends whisper and "
        "transformers; docs/families/recognizers.md)",
    )
    sampling: Sampling | None = Field(
        None,
        description="draw several transcripts instead of searching the likeliest (backends whisper and "
        "transformers; docs/evaluation/confidence.md)",
    )
    entropies: bool = Field(
        False,
        description="keep the entropy and the margin of every token's distribution, and the probability of a "
        "detected language (backends whisper and transformers)",
    )
    draft: ModelRef | None = Field(None, description=DRAFT_DESCRIPTION)
    draft_tokens: int = DRAFT_TOKENS
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto",
        description="arithmetic; auto = float32, float16 on CUDA; int8 quantizes the linear layers (CPU) and "
        "costs accuracy",
    )
    device: Device = Field("auto", description="auto, cpu, cuda, cuda:N or mps")

    @model_validator(mode="before")
    @classmethod
    def _adapter_is_part_of_the_model(cls, values: Any) -> Any:
        return fold_adapter(values, cls.model_fields["model"].default)

    @model_validator(mode="after")
    def _draft_needs_greedy_search(self) -> Self:
        sampled = self.sampling is not None
        guided = bool(self.terms or self.ctc or self.language_model)
        refuse_draft(self.draft, self.draft_tokens, beam_size=self.beam_size, sampling=sampled, guided=guided)
        return self

    @model_validator(mode="after")
    def _samples_need_no_beam(self) -> Self:
        names = ("beam_size", "n_best", "temperature_fallback", "word_times", "condition_on_previous_text")
        fields = type(self).model_fields
        refuse_settings(
            self.sampling, **{name: getattr(self, name) != fields[name].default for name in names}
        )
        if self.sampling is not None and self.sampling.dropout:
            raise ValueError("sampling: expected no dropout, found it: recognizers have none")
        return self


RECOGNITION_VERSION = 1
"""Part of the key of an ensemble of recognizers: changes when the same settings give other outputs."""


class RecognizerEnsembleConfig(MemberDevices, RecognitionConfig):
    """An ensemble of recognizers: the settings of the search, the members in order, how they are mixed."""

    members: tuple[str, ...] = Field(min_length=1)
    combination: Combination = "linear"
    coefficients: tuple[float, ...] = ()
    dropout_rate: float = 0.1
