from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.yaml_text import parse_yaml


@pytest.mark.parametrize(
    "text", ["a: -_", "a: !!bool 7", "!!set [a]", "!!pairs {a: 1}", "a: [1", "a: !!int x"]
)
def test_what_the_reader_trips_over_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^here(:\d+)?: expected ") as caught:
        parse_yaml(text, "here")
    assert "\n" not in str(caught.value)
