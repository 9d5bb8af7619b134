"""One translator or several: what of the settings is whose, and what is in the key."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.ensembling.kinds.fit_mixture import FitMixture
from components.errors import ConfigError
from components.files.files import write_json
from components.models.adapted_references import replace_references
from components.nodes.node_context import NodeContext
from components.pipeline.reading.reader import read_pipeline
from components.recognition.kinds.recognize import Recognize, RecognizeSettings
from components.translation.config import COEFFICIENTS_FILE
from components.translation.kinds.translate import Translate, TranslateSettings

EVIDENCE = {"method": "negative_evidence", "positive": "node:good", "negative": "bad"}


def settings(**values: Any) -> TranslateSettings:
    return TranslateSettings.model_validate({"model": "first", **values})


def test_one_translator_is_itself_whatever_the_mixing_would_be() -> None:
    kind, alone = Translate(), settings(combine={"method": "log_linear"})
    assert kind.facts(alone).models == {"model": "first"}
    assert kind.facts(alone).version == kind.facts(settings()).version
    assert kind.parameters(alone, NodeContext("mt")) == kind.parameters(settings(), NodeContext("mt"))


def test_members_are_models_by_role_and_thinned_ones_are_told_apart() -> None:
    kind, several = Translate(), settings(members=("second",), dropout_members=2)
    assert list(kind.facts(several).models.values()) == ["first", "first", "second"]
    others = (settings(members=("second",), dropout_members=2, dropout_seed=1), settings(members=("second",)))
    for other in others:
        assert kind.parameters(other, NodeContext("mt")) != kind.parameters(several, NodeContext("mt"))
    assert kind.facts(settings(combine=EVIDENCE)).models == {
        "member1": "first", "member2": "node:good", "member3": "bad"
    }  # fmt: skip


def test_models_of_other_nodes_are_named_wherever_a_model_is() -> None:
    several = settings(model="node:a", members=("node:b", "node:c"), combine=EVIDENCE)
    renamed = replace_references(several, {"node:a": "store:A", "node:b": "store:B", "node:good": "store:G"})
    assert (renamed.model, renamed.members) == ("store:A", ("store:B", "node:c"))
    assert (renamed.combine.positive, renamed.combine.negative) == ("store:G", "bad")


@pytest.mark.parametrize(
    ("best", "said"), [("0.5", "strength 0.5"), ("1.0", "strength 1, the highest of 3 ")]
)
def test_a_strength_at_the_edge_of_its_grid_says_so(best: str, said: str, tmp_path: Path) -> None:
    values = {"strength": float(best), "likelihoods": {"0.0": -2, "0.5": -1, "1.0": -1}}
    write_json(tmp_path / COEFFICIENTS_FILE, values)
    ref = SimpleNamespace(stage="mt-coefficients", path=str(tmp_path))
    (note,) = FitMixture().notes(None, NodeContext("w"), ref, None)  # type: ignore[arg-type]
    assert note.startswith(f"mt-coefficients: {said}") and ("by hand" in note) == (best == "1.0")


def test_what_is_to_be_learned_is_a_node() -> None:
    combine = {"method": "linear", "learn": "constants", "dev": "sample", "dev_sentences": 20}
    members = ["packaged:multi30k-en-de", "packaged:multi30k-en-de"]
    node = {"kind": "translate", "of": "data", "members": members, "combine": combine}
    graph = read_pipeline({"nodes": {"mt": node}})
    assert list(graph.nodes) == ["mt-dev", "mt-coefficients", "mt"]
    assert graph.nodes["mt"].reads == {"of0": "data", "learned": "mt-coefficients"}
    assert graph.nodes["mt-coefficients"].reads == {"of0": "mt-dev"}
    learned = FitMixture().parameters(graph.nodes["mt-coefficients"].settings, NodeContext("w"))  # type: ignore[arg-type]
    assert "beam_size" not in learned


def test_a_fault_of_the_mixing_is_told_at_its_setting() -> None:
    node = {"kind": "translate", "of": "data", "combine": {"learn": "constants", "dev_sentences": 1}}
    with pytest.raises(ConfigError, match=r"mt\.combine\.dev_sentences: expected at least"):
        read_pipeline({"nodes": {"mt": node}})
    with pytest.raises(ConfigError, match=r"mt\.combine\.strenght: translate has no such setting"):
        read_pipeline({"nodes": {"mt": {**node, "combine": {"strenght": 1}}}})


def test_one_recognizer_is_itself_and_several_are_members() -> None:
    kind = Recognize()
    alone, several = RecognizeSettings(model="a"), RecognizeSettings(model="a", members=("b",))
    assert kind.facts(alone).models == {"model": "a"}
    assert kind.facts(several).models == {"member1": "a", "member2": "b"}
    assert "combination" not in kind.parameters(alone, NodeContext("asr"))
    assert kind.parameters(several, NodeContext("asr"))["combination"] == "linear"
    assert kind.facts(alone).version != kind.facts(several).version
    with pytest.raises(ConfigError, match="combination: expected backend whisper"):
        kind.check(several.model_copy(update={"backend": "pocketsphinx"}), NodeContext("asr"))


@pytest.mark.parametrize(
    "node",
    [
        {"kind": "translate", "of": "data", "combine": {"coefficients": [0.3, 0.7]}},
        {"kind": "recognize", "of": "data", "coefficients": [0.3, 0.7]},
    ],
)
def test_one_model_has_no_coefficients(node: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"one: coefficients: expected members to mix, found one model"):
        read_pipeline({"nodes": {"one": {**node, "model": "a"}}})
