"""The stacked systems, one row of :data:`SYSTEMS` each, as members of the one decoder: P(Y2 | X, Y1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from components.decoding.combine import Combiner
from components.decoding.members import Member, digest_of
from components.decoding.seq2seq import Seq2SeqModel
from components.device import pick_device, pool
from components.ensembling.combiners import Linear
from components.errors import ConfigError
from components.models import resolve
from components.models.loading import load_transformers
from components.records import Checkpoint, Utterance
from components.stacking.config import StackConfig
from components.stacking.learning import padded_text
from components.stacking.loading import Stacked, load
from components.stacking.member import StackedMember
from components.stacking.model import Sources
from components.stacking.speech import SpeechEncoder, padded


@dataclass(frozen=True)
class Heard:
    """One utterance ready to translate: its lines as token ids, and its states where a member listens."""

    index: int
    utterance: Utterance
    lines: tuple[tuple[int, ...], ...]
    states: Tensor | None


@dataclass(frozen=True)
class System:
    """What a method searches with. ``join`` makes the lines that are read of the lines that are given."""

    members: Callable[[Sequence[Heard]], list[Member]]
    combine: Combiner | None
    tokenizer: Any
    join: Callable[[list[tuple[int, ...]]], tuple[tuple[int, ...], ...]]
    longest: int
    pad: int
    encoder: SpeechEncoder | None
    checkpoint: Checkpoint
    names: tuple[str, ...] = ()  # of the members that count: the tokens keep what each said


def _stacked(reference: str, store: str | None, device: str, kind: str) -> tuple[Stacked, Checkpoint]:
    checkpoint, place = resolve(reference, store), pick_device(device)
    ready = pool.get(("stacked", *checkpoint.identity, str(place)), lambda: load(checkpoint, place))
    if ready.model.kind != kind:
        raise ConfigError(f"{reference}: expected a stacked model of kind {kind}, found {ready.model.kind}")
    return ready, checkpoint


def _listening(kind: str) -> Callable[[StackConfig, str, str | None], System]:
    def build_system(config: StackConfig, text_model: str, store: str | None) -> System:
        assert config.model is not None
        ready, checkpoint = _stacked(config.model, store, config.device, kind)
        most = config.transcripts if kind == "dual" else 1

        def members(batch: Sequence[Heard]) -> list[Member]:
            return [listening_member(ready, batch)]

        return _system(ready, members, None, lambda lines: tuple(lines[:most]), store, checkpoint)

    return build_system


def _system(
    ready: Stacked,
    members: Any,
    combine: Combiner | None,
    join: Any,
    store: str | None,
    checkpoint: Checkpoint,
) -> System:
    return System(
        members=members,
        combine=combine,
        tokenizer=ready.tokenizer,
        join=join,
        longest=int(ready.model.config.max_position_embeddings),
        pad=int(ready.model.config.pad_token_id),
        encoder=SpeechEncoder(ready.speech, store, str(ready.model.device)),
        checkpoint=checkpoint,
    )


def listening_member(ready: Stacked, batch: Sequence[Heard]) -> StackedMember:
    """The batch in a model that listens."""
    text, mask = padded_text([heard.lines for heard in batch], ready.model.config.pad_token_id)
    speech, heard_mask = padded([heard.states for heard in batch if heard.states is not None])
    return StackedMember(ready, Sources(text, mask, speech, heard_mask))


def reading_member(text: Seq2SeqModel, batch: Sequence[Heard]) -> Member:
    """The batch's first lines in a model that reads."""
    ids, mask = padded_text([heard.lines[:1] for heard in batch], text.vocabulary.pad)
    device = text.model.device
    return text.member(input_ids=ids[:, 0].to(device), attention_mask=mask[:, 0].long().to(device))


def text_model_of(reference: str, store: str | None, device: str) -> tuple[Seq2SeqModel, Any, Checkpoint]:
    """A translation model that reads, its tokenizer and its checkpoint; resident, packed on a CPU."""
    checkpoint, place = resolve(reference, store), pick_device(device)

    def make() -> tuple[Seq2SeqModel, Any]:
        model, tokenizer = load_transformers(checkpoint, "seq2seq", place)
        arithmetic = "float32" if place.type == "cpu" else None
        return Seq2SeqModel(model, digest_of(tokenizer.get_vocab()), reference, arithmetic), tokenizer  # type: ignore[arg-type]

    return *pool.get(("stacking text", *checkpoint.identity, str(place)), make), checkpoint


def _late_fusion(config: StackConfig, text_model: str, store: str | None) -> System:
    assert config.model is not None
    if config.coefficient is None:
        raise ConfigError("late_fusion: expected a coefficient, found none: set it, or let the flow learn it")
    ready, checkpoint = _stacked(config.model, store, config.device, "direct")
    text, _, _ = text_model_of(text_model, store, config.device)

    def members(batch: Sequence[Heard]) -> list[Member]:
        return [reading_member(text, batch), listening_member(ready, batch)]

    combine = Linear((1 - config.coefficient, config.coefficient))
    names = tuple((text_model, config.model)[place] for place in combine.active(2))
    system = _system(ready, members, combine, lambda lines: tuple(lines[:1]), store, checkpoint)
    return replace(system, names=names)


def _pre_translation(config: StackConfig, text_model: str, store: str | None) -> System:
    assert config.model is not None
    text, tokenizer, checkpoint = text_model_of(config.model, store, config.device)
    return System(
        members=lambda batch: [reading_member(text, batch)],
        combine=None,
        tokenizer=tokenizer,
        join=lambda lines: (joined(lines[0], lines[-1]),),
        longest=text.positions,
        pad=text.vocabulary.pad,
        encoder=None,
        checkpoint=checkpoint,
    )


def joined(source: Sequence[int], draft: Sequence[int]) -> tuple[int, ...]:
    """Source and draft in one: both end with the end-of-sentence piece, which thus separates them."""
    return (*source, *draft)


SYSTEMS: dict[str, Callable[[StackConfig, str, str | None], System]] = {
    "direct": _listening("direct"),
    "dual_source": _listening("dual"),
    "late_fusion": _late_fusion,
    "pre_translation": _pre_translation,
}
"""System by method."""
