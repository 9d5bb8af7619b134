"""Parameters of the flow `stack`, and the pipeline that they stand for."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read_pipeline
from components.recognition.config import RecognitionConfig
from components.stacking.config import (
    FUSION_METHODS,
    SPEECH_MODEL_KINDS,
    JackknifeConfig,
    SpeechTrainingConfig,
    StackConfig,
    StackLearningConfig,
    needs_training,
)
from components.synthesis.config import SynthesisConfig
from components.translation.config import TranslationConfig
from flows.parameters.base import DataParameters


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
    learn: StackLearningConfig = Field(
        default=StackLearningConfig(), title="Training", description="used where stack names no model"
    )
    synthesis: SynthesisConfig = Field(
        default=SynthesisConfig(), description="speech for data that are text only"
    )


Nodes = dict[str, dict[str, Any]]


def pipeline(parameters: StackParameters) -> Pipeline:
    """``asr``, ``mt``, and ``stack``, which reads both and the speech; before them its model's training."""
    config, learn = parameters.stack, parameters.learn
    stack_settings = {**config.model_dump(), "text_model": parameters.mt.model}
    if config.method == "pooled" and config.model is None:
        stack_settings["model"] = learn.speech_model
    training_nodes: Nodes = {}
    if needs_training(config):
        training_nodes = (
            _listener_training_nodes(parameters)
            if config.method in SPEECH_MODEL_KINDS
            else _pre_translation_training_nodes(parameters)
        )
        stack_settings["model"] = "node:training"
    if config.method in FUSION_METHODS and config.coefficient is None:
        training_nodes |= _coefficient_nodes(parameters, stack_settings)
        stack_settings["learned"] = "coefficient"
    nodes = {
        **training_nodes,
        "speech": _speech_node(parameters, "data"),
        "asr": _transcript_node(parameters, "speech"),
        "mt": {"kind": "translate", "of": "asr", **parameters.mt.model_dump()},
        "stack": {"kind": "stack", "of": ["speech", "asr", "mt"], **stack_settings},
    }
    return parameters.with_edits(read_pipeline({"nodes": nodes, **parameters.languages}))


def _speech_node(parameters: StackParameters, of: str) -> dict[str, Any]:
    return {"kind": "synthesize", "of": of, **parameters.synthesis.model_dump()}


def _transcript_node(parameters: StackParameters, of: str) -> dict[str, Any]:
    return {"kind": "recognize", "of": of, **parameters.asr.model_dump()}


def _data_nodes(parameters: StackParameters) -> Nodes:
    """The training and the development data."""
    learn = parameters.learn
    return {
        "train": {"kind": "data", "source": learn.data, "limit": learn.limit},
        "dev": {"kind": "data", "source": learn.dev, "limit": learn.dev_limit},
    }


def _speech_and_transcript_nodes(parameters: StackParameters, name: str) -> Nodes:
    """A data set with speech, and what is recognized in it."""
    return {
        f"{name}-speech": _speech_node(parameters, name),
        f"{name}-asr": _transcript_node(parameters, f"{name}-speech"),
    }


def _listener_training_nodes(parameters: StackParameters) -> Nodes:
    """Nodes that train a model of speech (direct) or of speech and text (dual source)."""
    learn, config = parameters.learn, parameters.stack
    nodes = _data_nodes(parameters)
    states = {"model": learn.speech_model, "window_seconds": learn.window_seconds, "pooling": learn.pooling}
    for name in ("train", "dev"):
        nodes |= _speech_and_transcript_nodes(parameters, name)
        nodes[f"{name}-states"] = {"kind": "encode_speech", "of": f"{name}-speech", **states}
    nodes["training"] = {
        "kind": "train_stack",
        "of": ["train-speech", "train-asr", "dev-speech", "dev-asr"],
        "states": "train-states",
        "dev_states": "dev-states",
        "method": config.method,
        "transcripts": config.transcripts,
        **learn.model_dump(include=set(SpeechTrainingConfig.model_fields)),
    }
    return nodes


def _pre_translation_training_nodes(parameters: StackParameters) -> Nodes:
    """Nodes that train a model of drafts; those of the development data are greedy, as the training's are."""
    draft = {**parameters.mt.model_dump(), "beam_size": 1, "n_best": 1, "batch_size": 64}
    return {
        **_data_nodes(parameters),
        "dev-asr": _transcript_node(parameters, "dev"),
        "dev-mt": {"kind": "translate", "of": "dev-asr", **draft},
        "training": {
            "kind": "train_pre_translation",
            "of": ["train", "dev", "dev-asr", "dev-mt"],
            "max_tokens": parameters.mt.max_tokens,
            **parameters.learn.model_dump(include=set(JackknifeConfig.model_fields)),
        },
    }


def _coefficient_nodes(parameters: StackParameters, second: dict[str, Any]) -> Nodes:
    """Nodes that choose the weight of the direct model on the development data."""
    nodes = {"dev": _data_nodes(parameters)["dev"], **_speech_and_transcript_nodes(parameters, "dev")}
    inputs = ["dev-speech", "dev-asr"]
    if parameters.stack.method == "pooled":
        nodes["dev-mt"] = {"kind": "translate", "of": "dev-asr", **parameters.mt.model_dump()}
        inputs = [*inputs, "dev-mt"]
    nodes["coefficient"] = {"kind": "tune_stack", "of": inputs, **second}
    return nodes
