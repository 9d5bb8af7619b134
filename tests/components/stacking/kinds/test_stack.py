"""Stacked systems as nodes: what does not fit is refused when a pipeline is read; what each method reads."""

from __future__ import annotations

from typing import Any

import pytest

from components.errors import ConfigError
from components.nodes.node_context import Item, NodeContext
from components.pipeline.reading.reader import read_pipeline
from components.records import Hypothesis, NBest, Utterance
from components.stacking import translator
from components.stacking.kinds.fit_fusion import FitFusion, FitFusionSettings
from components.stacking.kinds.stack import Stack, StackSettings
from components.stacking.lists import nbest_fusion

CASCADE = {"asr": {"kind": "recognize"}, "mt": {"kind": "translate", "of": "asr"}}
READ = ["data", "asr", "mt"]
FAULTS = {
    "no speech": (
        ["asr", "mt"],
        {"method": "dual_source", "model": "m"},
        "dual_source reads speech, a trans",
    ),
    "no draft": (
        ["data", "asr"],
        {"method": "pooled", "model": "m"},
        "pooled reads speech, a transcript, its",
    ),
    "written texts": (
        ["data", "mt"],
        {"method": "pre_translation", "learn": {}},
        "pre_translation reads a transcript, its translation, in this order, found data, mt; written texts",
    ),
    "no model": (READ, {}, "dual_source needs a model such as store:KEY or node:NAME, found none"),
    "no text model": (READ, {"method": "late_fusion", "model": "m"}, "late_fusion needs a text_model"),
    "no coefficient": (
        READ,
        {"method": "late_fusion", "model": "m", "text_model": "t"},
        r"late_fusion needs a coefficient, or learned: NODE of kind fit_fusion, found neither",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_does_not_fit_is_refused_in_one_line(name: str) -> None:
    of, settings, message = FAULTS[name]
    with pytest.raises(ConfigError, match=f"^second: {message}") as result:
        read_pipeline({"nodes": {**CASCADE, "second": {"kind": "stack", "of": of, **settings}}})
    assert "\n" not in str(result.value)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            {"kind": "train_stack", "of": ["data", "asr", "asr2", "mt"], "states": "s", "dev_states": "s"},
            "train_stack reads speech as input 3, found asr2, which gives text",
        ),
        ({"kind": "fit_fusion", "of": ["data", "asr"]}, "expected a method with a coefficient"),
        (
            {"kind": "fit_fusion", "of": ["data", "asr"], "method": "late_fusion", "model": "m"},
            "late_fusion mixes model and text_model, found one missing",
        ),
        (
            {
                "kind": "fit_fusion",
                "of": ["data", "asr"],
                "method": "pooled",
                "model": "m",
                "text_model": "t",
            },
            "pooled reads speech, transcripts, translations",
        ),
        (
            {"kind": "fit_fusion", "of": READ, "method": "late_fusion", "model": "m", "text_model": "t"},
            "late_fusion reads speech, transcripts$",
        ),
        (
            {"kind": "train_pre_translation", "of": ["data", "asr", "asr2", "mt"]},
            "train_pre_translation reads da",
        ),
    ],
)
def test_what_the_trainings_read_stands_in_its_order(node: dict[str, Any], message: str) -> None:
    nodes = {**CASCADE, "asr2": {"kind": "recognize", "beam_size": 1, "n_best": 1}}
    nodes["s"] = {"kind": "encode_speech"}
    with pytest.raises(ConfigError, match=f"^model: {message}"):
        read_pipeline({"nodes": {**nodes, "model": node}})


LINES = {
    "dual_source": ["ein hund", "hund"],
    "late_fusion": ["ein hund"],
    "pre_translation": ["ein hund", "a dog"],
    "pooled": ["ein hund", "a dog", "dog"],
}


@pytest.mark.parametrize("method", LINES)
def test_each_method_gets_what_it_reads(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Echo:
        def translate(self, utterances: list[Utterance], segments: object = ()) -> list[NBest]:
            return [nbest(utterance.text or "") for utterance in utterances]

    for part in (nbest_fusion, translator):
        monkeypatch.setattr(part, "build_translator", lambda *_: Echo())
    settings = StackSettings.model_validate({"method": method, "transcripts": 2})
    context = NodeContext("second", of=("data", "asr", "mt"), types=("data", "text", "text"))
    utterance = Utterance(id="u", text="ein  hund", source_language="de", target_language="en")
    inputs = {"asr": nbest("ein hund", "hund", "und"), "mt": nbest("a dog", "dog")}
    stack = Stack().build(settings, context)
    (outcome,) = stack([Item(utterance=utterance, inputs=inputs)])
    assert outcome.best.text.split("\n") == LINES[method]
    # What is only written passes the recognizer: its text is what was said.
    (outcome,) = stack([Item(utterance=utterance, inputs={"mt": nbest("a dog", "dog")})])
    output, *drafts = outcome.best.text.split("\n")
    assert (output, drafts) == ("ein hund", [line for line in LINES[method] if "dog" in line])


def nbest(*texts: str) -> NBest:
    hypotheses = tuple(Hypothesis(text=text, score=-1.0, n_tokens=1, system="s") for text in texts)
    return NBest(utterance_id="u", hypotheses=hypotheses)


def test_what_is_left_blank_decides_the_learned_coefficient() -> None:
    """Likelihoods are those of the sources that are read, so that the key of the coefficient has them."""
    both = {"method": "late_fusion", "model": "m", "text_model": "t"}
    keyed = [
        FitFusion().parameters(FitFusionSettings.model_validate({**both, **more}), NodeContext("weight"))
        for more in ({}, {"ablate": []}, {"ablate": ["sound"]}, {"beam_size": 1})
    ]
    assert keyed[0] == keyed[1] == keyed[3]
    assert keyed[2] == {**keyed[0], "ablate": ["sound"]}
