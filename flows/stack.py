"""The stack: P(Y2 | X, Y1): a second system sees what the first ones said, and the sound.

data (text-only data are spoken first) -> asr -> mt -> stack -> scores -> report. Where no model is named, one
is trained first. `python -m flows.stack` takes the options of `antiphon run stack`.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from components.pipeline.pipeline import Pipeline
from components.pipeline.reader import read
from components.records import RunRecord
from components.stacking.config import (
    LISTENS,
    MIXES,
    JackknifeConfig,
    ListenerConfig,
    needs_training,
)
from flows.parameters import flat
from flows.running import Run, name_flow_run
from flows.stack_parameters import StackParameters
from flows.system import Hooks, run_system
from tasks import rounds
from tasks.runners import runner

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


def _score_rounds(run: Run, pipeline: Pipeline) -> None:
    """What the second system changed of the first one's translations, and how much of it for the worse."""
    spoken = run.stages[pipeline.speech_of("stack")]
    texts = (run.stages["mt"], run.stages["stack"])
    target = pipeline.languages[1]
    changes = run.add(rounds.score_rounds(spoken, texts, target, "bleu", run.store_url))
    run.metrics |= {name: score for name, score in rounds.read_rounds(changes).items() if name == "harm_rate"}


HOOKS = Hooks(after=_score_rounds)


@flow(name="stack", task_runner=runner(), persist_result=False, flow_run_name=name_flow_run)
@flat(StackParameters)
def stack(parameters: StackParameters) -> RunRecord | State[RunRecord]:
    """Transcribe and translate a data set, translate it again by a stacked system, score both and report."""
    return run_system("stack", parameters, pipeline(parameters), HOOKS)


if __name__ == "__main__":
    from flows.cli.main import run_flow_module

    run_flow_module("stack")
