"""The methods of stacking, rows of :data:`METHODS`: second systems P(Y2 | X, Y1) as scorers of the search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from components.compute.device import pick_device
from components.compute.model_cache import model_cache
from components.decoding.combiner import Combiner
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.scorers import TokenScorer, digest_of
from components.ensembling.token_level.combiners import LinearInterpolation
from components.errors import ConfigError
from components.models import resolve
from components.models.loaders.loading import load_transformers
from components.networks.stacked_model import Sources
from components.records import Checkpoint, Utterance
from components.stacking.config import StackConfig
from components.stacking.model_folder import LoadedStackedModel, load_stacked
from components.stacking.padding import pad_states, pad_texts
from components.stacking.speech_encoder import SpeechEncoder
from components.stacking.stacked_scorer import StackedScorer


@dataclass(frozen=True)
class StackSource:
    """One utterance, tokenized: its lines as token ids, and encoder states where a member reads speech."""

    index: int
    utterance: Utterance
    lines: tuple[tuple[int, ...], ...]
    states: Tensor | None


@dataclass(frozen=True)
class StackMethod:
    """A method with its models loaded: what the search needs.

    Attributes:
        build_scorers: builds the members for a batch of utterances.
        combiner: mixes them; None for a single member.
        tokenizer: of the source lines and the translation.
        join_lines: makes the sequences that are read of an utterance's lines.
        max_tokens: of a source sequence.
        pad: the padding token.
        encoder: makes the encoder states, where a member reads speech.
        checkpoint: of the method's model.
        names: of the members that are run, where each token shall keep their log-probabilities.
    """

    build_scorers: Callable[[Sequence[StackSource]], list[TokenScorer]]
    combiner: Combiner | None
    tokenizer: Any
    join_lines: Callable[[list[tuple[int, ...]]], tuple[tuple[int, ...], ...]]
    max_tokens: int
    pad: int
    encoder: SpeechEncoder | None
    checkpoint: Checkpoint
    names: tuple[str, ...] = ()


def _load_resident(
    reference: str, store: str | None, device: str, kind: str
) -> tuple[LoadedStackedModel, Checkpoint]:
    checkpoint, torch_device = resolve(reference, store), pick_device(device)
    stacked = model_cache.get(
        ("stacked", *checkpoint.identity, str(torch_device)), lambda: load_stacked(checkpoint, torch_device)
    )
    if stacked.model.kind != kind:
        raise ConfigError(f"{reference}: expected a stacked model of kind {kind}, found {stacked.model.kind}")
    return stacked, checkpoint


def _speech_method(kind: str) -> Callable[[StackConfig, str, str | None], StackMethod]:
    def build_method(config: StackConfig, text_model: str, store: str | None) -> StackMethod:
        assert config.model is not None
        stacked, checkpoint = _load_resident(config.model, store, config.device, kind)
        n_transcripts = config.transcripts if kind == "dual" else 1

        def build_scorers(batch: Sequence[StackSource]) -> list[TokenScorer]:
            return [build_speech_scorer(stacked, batch)]

        return _build_speech_method(
            stacked, build_scorers, None, lambda lines: tuple(lines[:n_transcripts]), store, checkpoint
        )

    return build_method


def _build_speech_method(
    stacked: LoadedStackedModel,
    build_scorers: Callable[[Sequence[StackSource]], list[TokenScorer]],
    combiner: Combiner | None,
    join_lines: Callable[[list[tuple[int, ...]]], tuple[tuple[int, ...], ...]],
    store: str | None,
    checkpoint: Checkpoint,
) -> StackMethod:
    return StackMethod(
        build_scorers=build_scorers,
        combiner=combiner,
        tokenizer=stacked.tokenizer,
        join_lines=join_lines,
        max_tokens=int(stacked.model.config.max_position_embeddings),
        pad=int(stacked.model.config.pad_token_id),
        encoder=SpeechEncoder(stacked.speech, store, str(stacked.model.device)),
        checkpoint=checkpoint,
    )


def build_speech_scorer(stacked: LoadedStackedModel, batch: Sequence[StackSource]) -> StackedScorer:
    """Return the scorer of a speech model for a batch."""
    text, mask = pad_texts([source.lines for source in batch], stacked.model.config.pad_token_id)
    speech, speech_mask = pad_states([source.states for source in batch if source.states is not None])
    return StackedScorer(stacked, Sources(text, mask, speech, speech_mask))


def build_transcript_scorer(text: Seq2SeqModel, batch: Sequence[StackSource]) -> TokenScorer:
    """Return the scorer of a text model for the first lines of a batch."""
    ids, mask = pad_texts([source.lines[:1] for source in batch], text.vocabulary.pad)
    device = text.model.device
    return text.build_scorer(input_ids=ids[:, 0].to(device), attention_mask=mask[:, 0].long().to(device))


def load_text_model(
    reference: str, store: str | None, device: str, dtype: str = "auto"
) -> tuple[Seq2SeqModel, Any, Checkpoint]:
    """Load a text translation model with its tokenizer and checkpoint. It stays resident, packed on a CPU."""
    checkpoint, torch_device = resolve(reference, store), pick_device(device)

    def load_model() -> tuple[Seq2SeqModel, Any]:
        model, tokenizer = load_transformers(checkpoint, "seq2seq", torch_device, dtype)
        arithmetic = "float32" if torch_device.type == "cpu" else None
        return Seq2SeqModel(model, digest_of(tokenizer.get_vocab()), reference, arithmetic), tokenizer  # type: ignore[arg-type]

    return *model_cache.get(
        ("stacking text", *checkpoint.identity, str(torch_device), dtype), load_model
    ), checkpoint


def _late_fusion(config: StackConfig, text_model: str, store: str | None) -> StackMethod:
    assert config.model is not None
    if config.coefficient is None:
        raise ConfigError("late_fusion: expected a coefficient, found none: set it, or let the flow learn it")
    stacked, checkpoint = _load_resident(config.model, store, config.device, "direct")
    text, _, _ = load_text_model(text_model, store, config.device, config.dtype)

    def build_scorers(batch: Sequence[StackSource]) -> list[TokenScorer]:
        return [build_transcript_scorer(text, batch), build_speech_scorer(stacked, batch)]

    combiner = LinearInterpolation((1 - config.coefficient, config.coefficient))
    names = tuple((text_model, config.model)[index] for index in combiner.active_members(2))
    method = _build_speech_method(
        stacked, build_scorers, combiner, lambda lines: tuple(lines[:1]), store, checkpoint
    )
    return replace(method, names=names)


def _pre_translation(config: StackConfig, text_model: str, store: str | None) -> StackMethod:
    assert config.model is not None
    text, tokenizer, checkpoint = load_text_model(config.model, store, config.device, config.dtype)
    return StackMethod(
        build_scorers=lambda batch: [build_transcript_scorer(text, batch)],
        combiner=None,
        tokenizer=tokenizer,
        join_lines=lambda lines: (join_tokens(lines[0], lines[-1]),),
        max_tokens=text.positions,
        pad=text.vocabulary.pad,
        encoder=None,
        checkpoint=checkpoint,
    )


def join_tokens(source: Sequence[int], draft: Sequence[int]) -> tuple[int, ...]:
    """Return the source and draft as one sequence; the source's end-of-sentence token separates them."""
    return (*source, *draft)


METHODS: dict[str, Callable[[StackConfig, str, str | None], StackMethod]] = {
    "direct": _speech_method("direct"),
    "dual_source": _speech_method("dual"),
    "late_fusion": _late_fusion,
    "pre_translation": _pre_translation,
}
"""Name, as in ``stack.method`` -> loads the method, from (settings, the cascade's text model, store)."""
