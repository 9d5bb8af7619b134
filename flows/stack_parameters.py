"""What can be set on a stack: the form, the YAML file and the flags."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read
from components.recognition.config import RecognitionConfig
from components.stacking.config import (
    LISTENS,
    MIXES,
    JackknifeConfig,
    LearnConfig,
    ListenerConfig,
    StackConfig,
    needs_training,
)
from components.synthesis.config import SynthesisConfig
from components.translation.config import TranslationConfig
from flows.parameters import DataParameters


class StackParameters(DataParameters):
    """What can be set on a stack."""

    asr: RecognitionConfig = Field(
        default=RecognitionConfig(), title="Recognition", description="speech to text"
    )
    mt: TranslationConfig = Field(
        default=TranslationConfig(), title="First translation", description="text to text: the cascade"
    )
    stack: StackConfig = Field(
        default=StackConfig(), title="Stacked system", description="the system that sees it all"
    )
    learn: LearnConfig = Field(
        default=LearnConfig(), title="Training", description="used where stack names no model"
    )
    synthesis: SynthesisConfig = Field(
        default=SynthesisConfig(), title="Synthesis", description="speech for data that are text only"
    )


Nodes = dict[str, dict[str, Any]]


def pipeline(parameters: StackParameters) -> Pipeline:
    """``asr``, ``mt`` and ``stack`` of both and of the sound; before that what makes its model."""
    config, learn = parameters.stack, parameters.learn
    second = {**config.model_dump(), "text_model": parameters.mt.model}
    if config.method == "pooled" and config.model is None:
        second["model"] = learn.speech_model
    learning: Nodes = {}
    if needs_training(config):
        learning = _listener(parameters) if config.method in LISTENS else _pre_translation(parameters)
        second["model"] = "node:training"
    if config.method in MIXES and config.coefficient is None:
        learning |= _coefficient(parameters, second)
        second["learned"] = "coefficient"
    nodes = {
        **learning,
        "speech": _spoken(parameters, "data"),
        "asr": _recognized(parameters, "speech"),
        "mt": {"kind": "translate", "of": "asr", **parameters.mt.model_dump()},
        "stack": {"kind": "stack", "of": ["speech", "asr", "mt"], **second},
    }
    return read({"nodes": nodes, **parameters.languages})


def _spoken(parameters: StackParameters, of: str) -> dict[str, Any]:
    return {"kind": "synthesize", "of": of, **parameters.synthesis.model_dump()}


def _recognized(parameters: StackParameters, of: str) -> dict[str, Any]:
    return {"kind": "recognize", "of": of, **parameters.asr.model_dump()}


def _data(parameters: StackParameters) -> Nodes:
    """The training and the development data."""
    learn = parameters.learn
    return {
        "train": {"kind": "data", "source": learn.data, "limit": learn.limit},
        "dev": {"kind": "data", "source": learn.dev, "limit": learn.dev_limit},
    }


def _heard(parameters: StackParameters, name: str) -> Nodes:
    """A data set with speech, and what is recognized in it."""
    return {
        f"{name}-speech": _spoken(parameters, name),
        f"{name}-asr": _recognized(parameters, f"{name}-speech"),
    }


def _listener(parameters: StackParameters) -> Nodes:
    """A model that listens: direct or dual source."""
    learn, config = parameters.learn, parameters.stack
    nodes = _data(parameters)
    states = {"model": learn.speech_model, "window_seconds": learn.window_seconds, "pooling": learn.pooling}
    for name in ("train", "dev"):
        nodes |= _heard(parameters, name)
        nodes[f"{name}-states"] = {"kind": "encode_speech", "of": f"{name}-speech", **states}
    nodes["training"] = {
        "kind": "train_stack",
        "of": ["train-speech", "train-asr", "dev-speech", "dev-asr"],
        "states": "train-states",
        "dev_states": "dev-states",
        "method": config.method,
        "transcripts": config.transcripts,
        **learn.model_dump(include=set(ListenerConfig.model_fields)),
    }
    return nodes


def _pre_translation(parameters: StackParameters) -> Nodes:
    """A model that reads drafts; those of the development data are greedy, as those that it learns from."""
    draft = {**parameters.mt.model_dump(), "beam_size": 1, "n_best": 1, "batch_size": 64}
    return {
        **_data(parameters),
        "dev-asr": _recognized(parameters, "dev"),
        "dev-mt": {"kind": "translate", "of": "dev-asr", **draft},
        "training": {
            "kind": "train_pre_translation",
            "of": ["train", "dev", "dev-asr", "dev-mt"],
            "max_tokens": parameters.mt.max_tokens,
            **parameters.learn.model_dump(include=set(JackknifeConfig.model_fields)),
        },
    }


def _coefficient(parameters: StackParameters, second: dict[str, Any]) -> Nodes:
    """The weight of the direct model on the development data."""
    nodes = {"dev": _data(parameters)["dev"], **_heard(parameters, "dev")}
    read = ["dev-speech", "dev-asr"]
    if parameters.stack.method == "pooled":
        nodes["dev-mt"] = {"kind": "translate", "of": "dev-asr", **parameters.mt.model_dump()}
        read = [*read, "dev-mt"]
    nodes["coefficient"] = {"kind": "tune_stack", "of": read, **second}
    return nodes
