"""``diarize``: a transcript whose stretches say who speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator
from typing_extensions import override

from components import models
from components.compute.machine import resolve_device_name
from components.errors import ConfigError, DataError, require_extra
from components.files.locations.location import file_name_of
from components.nodes.facts import Carry, Facts, Items, Language
from components.nodes.kind import Kind
from components.nodes.node_context import Component, Item, LanguagePairs, NodeContext, NodeSettings
from components.records import Outcome, Quarantined, Utterance
from components.speakers.diarizers.diarizer import DIARIZERS, Diarizer, HowMany
from components.speakers.rttm import read_rttm, to_field
from components.speakers.speaker_turns import SpeakerTurn, label_segments, name_speakers
from components.stage_settings import Device, FilePath, ModelRef

VERSION = "1"


class DiarizeSettings(NodeSettings):
    """Who finds the speakers, and how many there are."""

    model: ModelRef = Field(
        "packaged:voice-encoder",
        description="packaged:voice-encoder, or a folder or hub: repository of ONNX models for sherpa-onnx "
        "(extra 'speakers'; docs/use/speakers.md)",
    )
    rttm: FilePath | None = Field(
        None, description="instead of a model: who speaks when by a file of RTTM, as other diarizers write it"
    )
    speakers: int | None = Field(None, ge=1, le=32, description="how many speak; found out if empty")
    max_speakers: int = Field(10, ge=1, le=32, description="so many at most where they are found out")
    device: Device = Field("auto", description="auto, cpu, cuda or cuda:N")

    @model_validator(mode="after")
    def _file_says_how_many(self) -> Self:
        if self.rttm is not None and self.speakers is not None:
            raise ValueError("speakers: expected none beside rttm, which says who speaks, found both")
        return self

    def key_parameters(self) -> dict[str, Any]:
        """Return what decides the turns beside model and file: how names are found in that, too."""
        return (
            {"names": 2} if self.rttm is not None else self.model_dump(include={"speakers", "max_speakers"})
        )


class Diarize(Kind[DiarizeSettings]):
    """Labels the words of a transcript with speakers; its text stays as it is."""

    name = "diarize"
    summary = "who speaks: labels on the stretches of a transcript"
    settings = DiarizeSettings
    items = Items(Carry.INPUTS)
    language = Language.SAME
    version = VERSION

    @override
    def facts(self, settings: DiarizeSettings) -> Facts:
        facts = super().facts(settings)
        if settings.rttm is not None:
            return replace(facts, models={}, device=None)
        return replace(
            facts, libraries=tuple(sorted({name for d in DIARIZERS.values() for name in d.libraries}))
        )

    @override
    def check(self, settings: DiarizeSettings, context: NodeContext) -> None:
        """Check the model's name, or the file, and that it reads a transcript."""
        if context.translated:
            raise ConfigError(
                "of: expected a transcript, whose words are said at their times, found a translation"
            )
        if settings.rttm is not None:
            read_rttm(Path(settings.rttm))
            return
        resolve_device_name(settings.device)
        models.check(settings.model, context.store)

    @override
    def validate_models(self, settings: DiarizeSettings, context: NodeContext, pairs: LanguagePairs) -> None:
        """Check that a diarizer takes the model, and that it is installed."""
        if settings.rttm is None:
            _diarizer_of(settings, context)

    @override
    def build(self, settings: DiarizeSettings, context: NodeContext) -> Component:
        """Return the component, its model loaded, or its file read."""
        find_turns = _from_file(settings.rttm) if settings.rttm else _from_sound(settings, context)

        def diarize(items: Sequence[Item]) -> list[Outcome]:
            return [_label(item, context.name, find_turns) for item in items]

        return diarize


def _diarizer_of(settings: DiarizeSettings, context: NodeContext) -> Diarizer:
    checkpoint = models.resolve(settings.model, context.store)
    for name, diarizer in DIARIZERS.items():
        if diarizer.takes(checkpoint):
            if diarizer.module is not None:
                otherwise = ", or use packaged:voice-encoder"
                require_extra(f"model: {name}", diarizer.module, "speakers", otherwise)
            return diarizer
    raise ConfigError(
        f"model: expected one that tells speakers apart, found {settings.model} ({checkpoint.architecture}); "
        f"use packaged:voice-encoder (diarizers: {', '.join(DIARIZERS)})"
    )


def _from_sound(settings: DiarizeSettings, context: NodeContext) -> Any:
    from components import audio  # noqa: PLC0415 - decodes audio

    checkpoint = models.resolve(settings.model, context.store)
    find = _diarizer_of(settings, context).load(checkpoint, resolve_device_name(settings.device))
    how_many = HowMany(settings.speakers, settings.max_speakers)

    def turns_of(utterance: Utterance) -> list[SpeakerTurn]:
        assert utterance.audio is not None
        return name_speakers(find(audio.decode(utterance.audio), how_many))

    return turns_of


def _from_file(path: str) -> Any:
    recordings = read_rttm(Path(path))

    def turns_of(utterance: Utterance) -> list[SpeakerTurn]:
        assert utterance.audio is not None
        name = to_field(Path(file_name_of(utterance.audio.path)).stem)
        named = recordings.get(name, recordings.get(to_field(utterance.id)))
        if named is None and len(recordings) == 1:
            (named,) = recordings.values()
        if named is None:
            raise DataError(
                f"{path}: expected turns of {name}, found those of {', '.join(list(recordings)[:3])}"
            )
        offset = utterance.audio.offset
        return [turn._replace(start=turn.start - offset, end=turn.end - offset) for turn in named]

    return turns_of


def _label(item: Item, node: str, find_turns: Any) -> Outcome:
    nbest = item.nbest
    if nbest is None or item.utterance.audio is None or not nbest.best.segments:
        return nbest or _as_written(item, node)  # of a text that nobody says
    try:
        turns = find_turns(item.utterance)
    except DataError as error:
        fault = {"stage": node, "reason": "no speakers", "detail": str(error)}
        return Quarantined(utterance_id=item.utterance.id, **fault)
    best, *others = nbest.hypotheses
    labeled = best.model_copy(update={"segments": label_segments(best.segments, turns)})
    return nbest.model_copy(update={"hypotheses": (labeled, *others)})


def _as_written(item: Item, node: str) -> Outcome:
    detail = "expected a transcript of speech, found none"
    return Quarantined(utterance_id=item.utterance.id, stage=node, reason="no speech", detail=detail)
