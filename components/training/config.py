"""Settings of trainings, from which the form in Prefect's UI is made: flat, described, bounded."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from components.stage_settings import DataSet, Device, ModelRef, Seed, StageSettings

VERSION = 1
"""Version of the training loop: raised when the same settings give another model."""
INITIAL_MODEL_VERSION = 2
"""Version of trainings from another text model; from 2 on its dropout is that of the settings, also where it
was trained without any."""


LearnerName = Literal[
    "translation", "language_model", "deliberation", "edit_diffusion", "recognition", "meta"
]
CHOSEN_BY_BLEU = ("translation", "deliberation", "edit_diffusion")
"""Kinds of models whose best checkpoint has the highest BLEU."""


def bleu_version(*languages: str) -> str:
    """Return the part of a version that says how BLEU is counted in languages, where that is not 13a."""
    from components.metrics.translation_quality.bleu import bleu_tokenizer  # noqa: PLC0415 - numpy

    names = dict.fromkeys(map(bleu_tokenizer, languages))
    return "".join(f"bleu/{name}/" for name in names if name != "13a")


class TrainingConfig(StageSettings):
    """Settings of one training: data, size of the model, optimizer, budgets, machine."""

    keyed_when_set: ClassVar[tuple[str, ...]] = ("num_microbatches", "compile", "freeze_encoder")

    data: Annotated[str, DataSet(limit="limit")] = Field(
        "multi30k:train",
        title="Training data",
        description="parallel text to learn from: multi30k:SPLIT, FILE.en,FILE.de or a manifest",
    )
    dev: Annotated[str, DataSet()] = Field(
        "multi30k:val",
        title="Development data",
        description="parallel text that decides: best checkpoint, early stopping (never a test set)",
    )
    source_language: str = Field(
        "en", title="Source language", min_length=2, max_length=16, description="language that is read"
    )
    target_language: str = Field(
        "de", title="Target language", min_length=2, max_length=16, description="language that is written"
    )
    limit: int | None = Field(
        None, title="Limit", ge=1, description="training pairs used at most; empty = all"
    )
    bag: int | None = Field(
        None,
        title="Bag",
        ge=1,
        description="learn from bootstrap sample N of the pairs, as members of a bagged ensemble do; "
        "empty = from all of them",
    )
    seed: Seed = Field(
        1,
        title="Seed",
        ge=0,
        lt=2**31,
        description="decides initial weights, dropout and the order of the data",
    )

    kind: LearnerName = Field(
        "translation",
        title="Kind of model",
        description="translation (source to target), language_model (of the target side alone), deliberation "
        "or edit_diffusion (refiners that start from the translation model named in init_from), "
        "recognition (fine-tunes the Whisper model of init_from on speech with transcripts), or meta (start "
        "weights of a translator from several tasks, to be fine-tuned on little data)",
    )
    init_from: ModelRef | None = Field(
        None,
        title="Start from",
        description="model whose weights, shape and vocabulary training starts from; empty = random weights",
    )
    tokenizer: ModelRef | None = Field(
        None,
        title="Vocabulary of",
        description="model whose vocabulary is used, so that both can be mixed; empty = learned from data",
    )

    vocab_size: int = Field(
        8000,
        title="Vocabulary",
        ge=64,
        le=64000,
        description="pieces of the joint sentencepiece vocabulary at most",
    )
    num_layers: int = Field(
        3, title="Layers", ge=1, le=24, description="encoder layers, and as many decoder layers"
    )
    decoder_layers: int | None = Field(
        None, title="Decoder layers", ge=1, le=24, description="decoder layers if they are fewer or more"
    )
    d_model: int = Field(256, title="Width", ge=8, le=4096, multiple_of=4, description="model dimension")
    ffn_dim: int = Field(
        512,
        title="Feed-forward width",
        ge=8,
        le=16384,
        description="dimension inside the feed-forward blocks",
    )
    num_heads: int = Field(
        4, title="Attention heads", ge=1, le=64, description="attention heads; must divide d_model"
    )
    dropout: float = Field(
        0.2,
        title="Dropout",
        ge=0.0,
        lt=1.0,
        description="dropout on embeddings and on every sublayer's output",
    )
    max_length: int = Field(
        128,
        title="Longest pair",
        ge=4,
        le=512,
        description="longer pairs (in pieces, either side) are left out",
    )

    learning_rate: float = Field(
        2e-3, title="Learning rate", gt=0.0, le=1.0, description="peak learning rate of AdamW"
    )
    warmup_steps: int = Field(
        300, title="Warm-up steps", ge=1, le=100_000, description="steps of linear warm-up to the peak"
    )
    lr_schedule: Literal["inverse_sqrt", "linear"] = Field(
        "inverse_sqrt",
        title="Schedule",
        description="decay after the warm-up: 1/sqrt(step), or linear to zero at max_steps",
    )
    weight_decay: float = Field(
        0.01, title="Weight decay", ge=0.0, le=1.0, description="decoupled weight decay of AdamW"
    )
    label_smoothing: float = Field(
        0.1,
        title="Label smoothing",
        ge=0.0,
        lt=1.0,
        description="probability mass spread over the vocabulary",
    )
    max_grad_norm: float = Field(
        1.0,
        title="Gradient clipping",
        gt=0.0,
        le=1000.0,
        description="gradients are scaled down to this norm",
    )
    batch_tokens: int = Field(
        2500,
        title="Batch size",
        ge=16,
        le=1_000_000,
        description="padded pieces (tokens) per batch at most, on the longer side; recognition: a recording "
        "counts for 1500, the encoder's positions of 30 s",
    )

    max_steps: int = Field(4000, title="Steps", ge=1, le=10_000_000, description="budget: optimizer steps")
    max_minutes: float | None = Field(
        None, title="Minutes", gt=0.0, description="budget: minutes of training; empty = no limit"
    )
    eval_every: int = Field(
        250,
        title="Steps between evaluations",
        ge=1,
        le=1_000_000,
        description="steps between checkpoints, each scored on dev",
    )
    eval_sentences: int = Field(
        400,
        title="Sentences per evaluation",
        ge=1,
        le=100_000,
        description="dev sentences translated (greedily) for BLEU, or recordings recognized for WER",
    )
    patience: int = Field(
        8,
        title="Patience",
        ge=1,
        le=1000,
        description="stop after this many evaluations without a better dev BLEU",
    )
    average_checkpoints: int = Field(
        5,
        title="Checkpoints averaged",
        ge=1,
        le=50,
        description="last checkpoints kept, and averaged for the final model",
    )

    keep_checkpoints: int = Field(
        0,
        title="Checkpoints kept",
        ge=0,
        le=50,
        description="last checkpoints kept as models of their own, store:KEY@STEP, for ensembles and soups",
    )

    num_drafts: int = Field(
        2, title="Drafts", ge=1, le=16, description="deliberation: first passes sampled for each source"
    )
    first_pass_loss_weight: float = Field(
        0.5,
        title="First pass's own loss",
        ge=0.0,
        le=10.0,
        description="deliberation: weight of the first pass's own likelihood in the loss; 0 as published",
    )
    freeze_encoder: bool = Field(
        False,
        title="Freeze the encoder",
        description="recognition: train the decoder alone, so that each recording is encoded only once",
    )
    diffusion_steps: int = Field(
        4, title="Diffusion steps", ge=1, le=50, description="edit_diffusion: steps T of the corruption"
    )

    device: Device = Field("auto", title="Device", description="auto, cpu, cuda or cuda:N")
    dtype: Literal["float32", "bfloat16"] = Field(
        "bfloat16", title="Arithmetic", description="arithmetic of the matrix products"
    )
    threads: int = Field(
        1, title="CPU threads", ge=1, le=256, description="CPU threads; their number decides the last bits"
    )
    num_microbatches: int = Field(
        1,
        title="Microbatches",
        ge=1,
        le=1024,
        description="parts that each batch is divided into, whose gradients are summed: in turn (gradient "
        "accumulation, for a card with too little memory), or side by side by the processes that torchrun "
        "started, with the same result",
    )
    compile: bool = Field(
        False,
        title="Compile",
        description="compile the model's forward pass for training (torch.compile); needs a C++ compiler",
    )

    @property
    def version_prefix(self) -> str:
        """The versions, each with a slash, of what decides the outputs beside the training loop.

        From 2 on stretches of one file are not taken for each other where the encoder is frozen, and learned
        positions are trained.
        """
        frozen = "frozen/2/" if self.freeze_encoder else ""
        positions = "positions/2/" if self.may_train_positions else ""
        bleu = bleu_version(self.target_language) if self.kind in CHOSEN_BY_BLEU else ""
        return frozen + positions + bleu

    @property
    def may_train_positions(self) -> bool:
        """Whether it goes on from a model that may have learned its positions, as Whisper's decoder has."""
        return self.init_from is not None and self.kind in ("recognition", "language_model")

    @property
    def extra_libraries(self) -> tuple[str, ...]:
        """Distributions that decide the outputs beside those of every training."""
        return ()
