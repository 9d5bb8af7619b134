"""What ``learn`` of a ``stack`` node stands for: copies of what it reads, a training and a coefficient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from components.nodes.node_context import ExtraData
from components.stacking.config import (
    FUSION_METHODS,
    SPEECH_MODEL_KINDS,
    PreTranslationConfig,
    SpeechTrainingConfig,
    StackConfig,
    StackLearningConfig,
)

LEARN = "learn"
TRAIN, DEV = "train_of", "dev_of"
"""Keys of a node that take the copies of what it reads over the training and the development data."""
GREEDY = {"beam_size": 1, "n_best": 1, "batch_size": 64}
"""How drafts of development data are searched for, as those of the jackknife are."""
Values = dict[str, Any]


def needs_training(values: Mapping[str, Any]) -> bool:
    """Return whether the method of a node has to be given a model that is trained first."""
    method = values.get("method", StackConfig.model_fields["method"].default)
    return values.get("model") is None and method not in ("pooled", "prompted")


def _needs_coefficient(values: Mapping[str, Any]) -> bool:
    method = values.get("method", StackConfig.model_fields["method"].default)
    is_open = values.get("coefficient") is None and values.get("learned") is None
    return method in FUSION_METHODS and is_open


def data_to_learn_from(values: Mapping[str, Any]) -> dict[str, ExtraData]:
    """Return what a node reads over the data of its ``learn``, by the key that takes the copies.

    Args:
        values: the node as it is written in a file.
    """
    learn, read = values.get(LEARN), values.get("of", ())
    if not isinstance(learn, Mapping) or not isinstance(read, list | tuple):
        return {}  # which is refused when the node is read
    if not (needs_training(values) or _needs_coefficient(values)):
        return {}
    usual = {name: field.default for name, field in StackLearningConfig.model_fields.items()}
    chosen, nodes = {**usual, **learn}, tuple(map(str, read))
    train, dev = (chosen["data"], chosen["limit"]), (chosen["dev"], chosen["dev_limit"])
    if needs_training(values) and values.get("method") == "pre_translation":
        # Written texts are read as they are: the training reads no speech.
        speech, texts = nodes[:-2], nodes[-2:]
        if "data" in texts:
            return {}  # which is refused when the node is read
        drafts = {texts[-1]: GREEDY} if texts else {}
        return {
            TRAIN: ExtraData(*train, ("data",), "train"),
            DEV: ExtraData(*dev, ("data", *texts), "dev", speech, drafts),
        }
    reads_drafts = values.get("method") == "pooled"
    own = {DEV: ExtraData(*dev, nodes if reads_drafts else nodes[:2], "dev")}
    return {TRAIN: ExtraData(*train, nodes[:2], "train"), **own} if needs_training(values) else own


def learning_nodes(name: str, values: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Values]:
    """Return the nodes that train the model of a node and fit its coefficient, then the node with both.

    Args:
        name: of the node.
        values: as it is written, with the copies of what it reads.
        model: of its settings.
    """
    own = {key: value for key, value in values.items() if key not in (LEARN, TRAIN, DEV)}
    settings = {key: value for key, value in own.items() if key not in ("kind", "of", "when", "to")}
    learn = getattr(model.model_validate({**settings, LEARN: values[LEARN]}), LEARN)
    nodes: dict[str, Values] = {}
    if needs_training(own) and DEV in values:
        nodes = _training_nodes(name, own, learn, list(values[TRAIN]), list(values[DEV]))
        own["model"] = f"node:{name}-training"
    elif own.get("method") == "pooled" and own.get("model") is None:
        own["model"] = learn.speech_model
    if _needs_coefficient(own) and DEV in values:
        second = {key: value for key, value in own.items() if key in {*settings, "model"}}
        coefficient = f"{name}-coefficient"
        nodes[coefficient] = {"kind": "fit_fusion", "of": list(values[DEV]), **second}
        own["learned"] = coefficient
    return {**nodes, name: own}


def _training_nodes(
    name: str, own: Mapping[str, Any], learn: StackLearningConfig, train: list[str], dev: list[str]
) -> dict[str, Values]:
    """Return the node that trains the model, and those that make the encoder states that it reads."""
    training = f"{name}-training"
    if own.get("method") == "pre_translation":
        settings = learn.model_dump(include=set(PreTranslationConfig.model_fields))
        return {training: {"kind": "train_pre_translation", "of": [*train, *dev], **settings}}
    encoder = {"model": learn.speech_model, "window_seconds": learn.window_seconds, "pooling": learn.pooling}
    states = {f"{name}-states": train[0], f"{name}-dev-states": dev[0]}
    usual = StackConfig()
    assert own.get("method", usual.method) in SPEECH_MODEL_KINDS
    return {
        **{node: {"kind": "encode_speech", "of": speech, **encoder} for node, speech in states.items()},
        training: {
            "kind": "train_stack",
            "of": [*train, *dev],
            "states": f"{name}-states",
            "dev_states": f"{name}-dev-states",
            "method": own.get("method", usual.method),
            "transcripts": own.get("transcripts", usual.transcripts),
            **learn.model_dump(include=set(SpeechTrainingConfig.model_fields)),
        },
    }
