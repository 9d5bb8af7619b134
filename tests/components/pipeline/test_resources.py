"""``resources`` of a node: read with its place, in no key, shared by the nodes that it stands for."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.pipeline.resources import Resources
from tests.graph_text import parse_pipeline

GRAPH = """
nodes:
  asr: {kind: recognize, model: "packaged:whisper-tiny.en", resources: RESOURCES}
"""


def read(resources: str) -> Resources:
    return parse_pipeline(GRAPH.replace("RESOURCES", resources), "x.yaml").nodes["asr"].resources


def test_what_is_set_is_read() -> None:
    assert read("{gpus: 0.25, cpus: 4, replicas: auto}").describe() == "gpus 0.25, cpus 4.0"
    assert read("{}") == Resources()
    assert read("{gpus: 2, replicas: 3}").describe() == "gpus 2.0, replicas 3"


@pytest.mark.parametrize(
    ("resources", "fault"),
    [
        ("{gpus: 1.5}", "resources.gpus: expected a whole number of cards, or a part of one, found 1.5"),
        ("{gpu: 1}", "resources.gpu: no such resource; did you mean gpus?"),
        ("{replicas: many}", "resources.replicas: expected auto or a number from 1 to 10,000, found 'many'"),
        ("{replicas: true}", "resources.replicas: expected auto or a number from 1 to 10,000, found True"),
        ("{replicas: 0}", "resources.replicas: expected auto or a number from 1 to 10,000, found 0"),
        ("{cpus: two}", "resources.cpus: expected a number, found 'two'"),
    ],
)
def test_a_fault_is_one_line_with_its_place(resources: str, fault: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(resources)
    assert str(error.value) == f"x.yaml:3: asr.{fault}"


def test_the_settings_of_a_node_do_not_hold_them() -> None:
    graph = parse_pipeline(GRAPH.replace("RESOURCES", "{cpus: 4}"))
    plain = parse_pipeline(GRAPH.replace(", resources: RESOURCES", ""))
    assert graph.nodes["asr"].settings == plain.nodes["asr"].settings
