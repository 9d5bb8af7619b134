from __future__ import annotations

import pytest

from flows.definition import describe_run
from flows.registry import flow_named


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"name": "mine", "data": "/a/talks.jsonl"}, "mine"),
        ({"data": "/a/talks.jsonl", "asr": {"model": "packaged:whisper-base"}}, "f talks whisper-base"),
        ({"data": "a/train.en,a/train.de", "mt": {"top": 1, "model": "hub:org/m2m@0a1"}}, "f train.en m2m"),
        ({"audio": "https://u:p@host/x y.wav?key=1", "data": "sample"}, "f x y"),
        ({"runs": ["a", "b"], "data": "sample"}, "f a b"),
        ({"data": "sample", "graph": {"nodes": {"x": {"model": "whisper:tiny"}}}}, "f sample tiny"),
        ({"data": "s", "asr": {"model": "whisper:tiny", "members": ["whisper:base"]}}, "f s tiny base"),
        ({"data": "s", "systems": [{"name": "old"}, {"name": "new", "parameters": {}}]}, "f s old new"),
        ({"recipe": "slerp.yml"}, "f slerp"),
        ({"audio": "talk.mp4", "title": "transcribe"}, "transcribe talk.mp4"),
        ({"data": "s3://user:secret@host"}, "f ***"),
        ({}, "f"),
    ],
)
def test_a_run_is_called_by_what_it_does(parameters: dict[str, object], name: str) -> None:
    assert describe_run("f", parameters) == name


def test_the_parameters_of_a_flow_name_it_as_they_are() -> None:
    result = describe_run("cascade", dict(flow_named("cascade").parameters()))
    assert result == "cascade sample whisper-base"
