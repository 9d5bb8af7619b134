"""The graph of a form: a text or an object that may be the whole of a file's nodes and languages."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from flows.parameters.faults import check_values
from flows.parameters.pipeline import PipelineParameters, pipeline

NODES = {"asr": {"kind": "recognize"}, "mt": {"kind": "translate", "of": "asr"}}
GRAPH = {"source_language": "en", "target_language": "fr", "nodes": NODES}


@pytest.mark.parametrize(
    "graph", [GRAPH, "{target_language: fr, source_language: en, nodes: {asr: {kind: recognize}}}"]
)
def test_languages_that_stand_in_the_graph_are_those_of_the_run(graph: object) -> None:
    parameters = PipelineParameters.model_validate({"graph": graph})
    assert pipeline(parameters).languages == ("en", "fr")
    assert parameters.data_set == ("sample", None, "en", "fr", None)
    into_german = PipelineParameters.model_validate({"graph": graph, "target_language": "de"})
    assert pipeline(into_german).languages == ("en", "de")


def test_a_misspelled_part_of_the_graph_is_told_the_one_meant() -> None:
    with pytest.raises(ConfigError, match=r"(?m)^node: no such parameter; did you mean nodes\?$"):
        check_values(PipelineParameters, {"node": NODES})
