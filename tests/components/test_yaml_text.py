from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.yaml_text import format_yaml, parse_yaml


@pytest.mark.parametrize(
    "text", ["a: -_", "a: !!bool 7", "!!set [a]", "!!pairs {a: 1}", "a: [1", "a: !!int x"]
)
def test_what_the_reader_trips_over_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^here(:\d+)?: expected ") as caught:
        parse_yaml(text, "here")
    assert "\n" not in str(caught.value)


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
