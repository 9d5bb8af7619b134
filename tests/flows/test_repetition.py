"""The command that repeats a run sets what was set, through the shell and the parser of the command line."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from components.files.yaml_text import format_yaml, parse_yaml
from flows.cli.compute.parameters.config_file import gather
from flows.python_flows.finished_runs.repetition import FLAGS, list_changed_settings, repeat_command
from flows.registry import flow_named
from tests.components.storage.test_store import record

CASES: list[tuple[str, dict[str, Any]]] = [
    ("cascade", {}),
    ("cascade", {"data": "my 'own'.jsonl", "limit": 3, "target_language": "de", "asr": {"beam_size": 1}}),
    ("cascade", {"audio": "a b*.wav", "data": None, "mt": {"model": "store:K2", "n_best": 2}, "seed": 7}),
    ("cascade", {"source_language": "no", "blame": True}),
    ("cascade", {"mt": {"model": "[no yaml"}, "asr": {"model": "*x"}}),
    ("ensemble", {"mt": {"members": ["store:a", "packaged:b"]}}),
    ("compare", {"runs": ["1e3", "yes"], "metrics": ["bleu"]}),
]


@pytest.mark.parametrize(("flow", "settings"), CASES)
def test_the_command_sets_the_same(flow: str, settings: dict[str, Any]) -> None:
    model = flow_named(flow).parameters
    parameters = model.model_validate({**settings, "name": "mine", "store": "/x"})
    run = record("mine", flow=flow, parameters=parameters.model_dump(mode="json"))
    words = shlex.split(repeat_command(run, "/a store"))
    assert words[:3] == ["antiphon", "run", flow]
    options = list(zip(words[3::2], words[4::2], strict=True))
    flags = {name: value for name, flag in FLAGS.items() for option, value in options if option == flag}
    assert ("--store", "/a store") in options
    sets = [value for option, value in options if option == "--set"]
    again = gather(model, None, sets, {**flags, "name": "mine", "store": "/x"})
    assert again == parameters


def test_what_is_too_long_for_a_command_is_a_file() -> None:
    graph = {"nodes": {"asr": {"kind": "recognize"}}, "data": "1e5"}
    run = record("mine", flow="pipeline", parameters=graph)
    assert repeat_command(run) == "antiphon runs show mine --config > mine.yaml && antiphon run mine.yaml"
    assert parse_yaml(format_yaml(list_changed_settings(run)), "mine.yaml")[0] == graph
    long = record("mine", parameters={"mt": {"members": ["store:" + "a" * 64] * 40}})
    assert repeat_command(long).endswith("> mine.yaml && antiphon run cascade -c mine.yaml")


def test_a_run_of_an_unknown_flow_is_shown_with_all_its_parameters() -> None:
    assert list_changed_settings(record("mine", flow="gone", parameters={"a": 1, "name": "mine"})) == {"a": 1}
