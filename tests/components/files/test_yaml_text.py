from __future__ import annotations

import time

import pytest

from components.errors import ConfigError
from components.files import yaml_text
from components.files.yaml_text import format_yaml, parse_yaml


@pytest.mark.parametrize(
    "text", ["a: -_", "a: !!bool 7", "!!set [a]", "!!pairs {a: 1}", "a: [1", "a: !!int x"]
)
def test_what_the_reader_trips_over_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^here(:\d+)?: expected ") as caught:
        parse_yaml(text, "here")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["- a\n" * 130_000, "[" + "a," * 260_000 + "]", "[" * 500_000, "? " * 250_000, "&a [*a]",
     "a: &a [1, 2]\nb: [" + "*a," * 9_000 + "]"],
)  # fmt: skip
def test_too_many_values_are_refused_before_all_are_read(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ConfigError, match=r"^here: expected at most 10000 values, 20 deep; found more"):
        parse_yaml(text, "here")
    assert time.process_time() - began < 4  # half a megabyte took ten seconds


def test_as_many_values_as_may_be_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "_MAX_VALUES", 50)
    values = {f"k{n}": "1" for n in range(49)}  # and the mapping itself
    assert parse_yaml(format_yaml(values), "here")[0] == values
    with pytest.raises(ConfigError, match="20 deep; found more"):
        parse_yaml(format_yaml({**values, "k": "1"}), "here")
    assert parse_yaml("[" * 20 + "]" * 20, "here")[0]
    with pytest.raises(ConfigError, match="20 deep; found more"):
        parse_yaml("[" * 22 + "]" * 22, "here")


@pytest.mark.parametrize("flow_style", [False, True])
def test_values_come_back_as_they_were_written(flow_style: bool) -> None:
    texts = [
        "1e5",
        "0o17",
        "12e03",
        "no",
        "~",
        "1:20",
        "a: b",
        "# x",
        "- a",
        "*a",
        "",
        " é ",
        "a\nb",
        "x" * 300,
    ]
    values = {"z": texts, "a": [1, 1e-5, 0.5, True, None, {"q": {"of": ["x", "y"]}, "b": "2"}]}
    text = format_yaml(values, flow_style=flow_style)
    value, _ = parse_yaml(text, "here")
    assert value == values
    assert list(value) == ["z", "a"]
    assert [type(item) for item in value["z"]] == [str] * len(texts)
    assert flow_style == (text.count("\n") == 1)
