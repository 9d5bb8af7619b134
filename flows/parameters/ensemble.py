"""What can be set on an ensemble: the form, the YAML file and the flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import ConfigDict, Field

from components.decoding.member_settings import MemberDevices, MixingConfig
from components.ensembling.output_level.config import SystemCombinationConfig
from components.errors import ConfigError
from components.models.references import split_reference
from components.pipeline.pipeline import DATA, Pipeline
from components.pipeline.reader import read_pipeline
from components.recognition.backends import BACKENDS, takes
from components.recognition.config import AUTO, RecognitionConfig
from components.translation.ensemble_config import TranslatorMembers
from flows.parameters.base import DataParameters


class EnsembleRecognition(MemberDevices, RecognitionConfig):
    """Settings of the recognizers, which differ in their models."""

    model_config = ConfigDict(title="Recognition (asr)")

    members: tuple[str, ...] = Field(
        (), title="Further members", description="models beside the first, such as packaged:whisper-tiny.en"
    )
    combination: Literal["output_level", "linear", "log_linear"] = Field(
        "output_level",
        description="output_level = each decodes alone, then their transcripts are combined; linear and "
        "log_linear = token by token, for Whisper models of one vocabulary",
    )
    coefficients: tuple[float, ...] = Field(
        (), description="linear and log_linear: one per member; empty = equal"
    )


class EnsembleSystemCombination(SystemCombinationConfig):
    """How finished outputs become one."""

    model_config = ConfigDict(title="System combination (system_combination)")

    dev: str | None = Field(
        None,
        description="reranking without coefficients: what they are learned on, with references; never a test "
        "set",
    )
    dev_limit: int = Field(100, ge=10, le=10_000, description="the first so many of them")


class EnsembleParameters(DataParameters):
    """What can be set on an ensemble."""

    asr: EnsembleRecognition = Field(
        default=EnsembleRecognition(), title="Recognition", description="speech to text"
    )
    mt: TranslatorMembers = Field(
        default=TranslatorMembers(), title="Translation", description="text to text"
    )
    combine: MixingConfig = Field(
        default=MixingConfig(), title="Combination", description="of the translators, token by token"
    )
    system_combination: EnsembleSystemCombination = Field(
        default=EnsembleSystemCombination(),
        description="of finished transcripts or translations",
    )


Nodes = dict[str, dict[str, Any]]


DEV = "data-dev"


def pipeline(parameters: EnsembleParameters) -> Pipeline:
    """``asr`` and, of its transcripts, ``mt``: each one node, or ``asr-1``, ``asr-2``... combined."""
    _check_ensemble(parameters)
    nodes = {**_recognition_nodes(parameters), **_translation_nodes(parameters)}
    if any(values.get("of") == DEV for values in nodes.values()):
        combination = parameters.system_combination
        dev = {"kind": "data", "source": combination.dev, "limit": combination.dev_limit}
        nodes = {DEV: dev, **nodes}
    return parameters.with_edits(read_pipeline({"nodes": nodes, **parameters.languages}))


def _check_ensemble(parameters: EnsembleParameters) -> None:
    """Refuse what is no ensemble, and reranking by coefficients that nobody learns."""
    mt, asr, combination = parameters.mt, parameters.asr, parameters.system_combination
    method = parameters.combine.method
    if len(mt.references) < 2 and method != "negative_evidence" and not asr.members:
        raise ConfigError(
            "mt.members: expected at least one model beside mt.model (or asr.members beside asr.model), "
            "found none; one model alone is a cascade: antiphon run cascade"
        )
    combines_texts = method == "output_level" or (asr.members and asr.combination == "output_level")
    learned = combination.method == "reranking" and not combination.coefficients
    if combines_texts and learned and combination.dev is None:
        raise ConfigError(
            "system_combination.dev: expected development data to learn the coefficients of reranking on, or "
            "system_combination.coefficients, found neither"
        )


def _recognition_nodes(parameters: EnsembleParameters) -> Nodes:
    asr = parameters.asr
    if asr.members and asr.combination != "output_level":
        return {"asr": {"kind": "recognize", **asr.model_dump()}}
    whose = {"members", "member_devices", "combination", "coefficients"}
    search = {"kind": "recognize", **asr.model_dump(exclude=whose)}
    if not asr.members:
        return {"asr": search}
    others = [
        {
            **search,
            "model": name,
            "backend": _backend_for(name, asr.backend),
            "device": asr.for_member(n).device,
        }
        for n, name in enumerate(asr.members)
    ]
    systems = [{**search, "backend": _backend_for(asr.model, asr.backend)}, *others]
    return _combine_systems(parameters, "asr", systems, DATA)


def _backend_for(model: str, backend: str) -> str:
    """Return the backend that is set for all members, where it takes references such as the model's."""
    row = BACKENDS.get(backend)
    return backend if row is not None and takes(row, split_reference(model)[0]) else AUTO


def _translation_nodes(parameters: EnsembleParameters) -> Nodes:
    mt, mixing = parameters.mt, parameters.combine
    if mixing.method != "output_level":
        return {"mt": {"kind": "translate", "of": "asr", **mt.model_dump(), "combine": mixing.model_dump()}}
    search = {"kind": "translate", **mt.model_dump(exclude={"members", "member_devices", "dropout_members"})}
    dropout_systems = [{**search, "dropout_members": 1, "dropout_seed": n} for n in range(mt.dropout_members)]
    others = [
        {**search, "model": name, "device": mt.for_member(n).device} for n, name in enumerate(mt.members)
    ]
    systems = [*(dropout_systems or [search]), *others]
    if len(systems) < 2:
        return {"mt": {**search, "of": "asr"}}
    return _combine_systems(parameters, "mt", systems, "asr")


def _place(settings: EnsembleRecognition | TranslatorMembers, number: int) -> dict[str, str]:
    return {"device": settings.for_member(number).device}


def _combine_systems(
    parameters: EnsembleParameters, name: str, systems: Sequence[Mapping[str, Any]], of: str
) -> Nodes:
    """Each system as a node of its own, and one that combines their outputs."""
    combination = parameters.system_combination
    combine = combination.model_dump(exclude={"dev", "dev_limit"})
    settings_by_node = {f"{name}-{number}": values for number, values in enumerate(systems, 1)}
    nodes: Nodes = {}
    if combination.method == "reranking" and not combination.coefficients:
        dev = {f"{node}-dev": {**values, "of": DEV} for node, values in settings_by_node.items()}
        nodes = {**dev, f"{name}-coefficients": {"kind": "tune", **combine, "of": list(dev)}}
        combine = {**combine, "tuned": f"{name}-coefficients"}
    nodes |= {node: {**values, "of": of} for node, values in settings_by_node.items()}
    return {**nodes, name: {"kind": "combine", **combine, "of": list(settings_by_node)}}
