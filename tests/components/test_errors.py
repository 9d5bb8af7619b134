"""Messages stay readable whatever value was put into them."""

from __future__ import annotations

import pickle

import pytest

from components.errors import AntiphonError, ConfigError, UnknownRunError


@pytest.mark.parametrize("error", [AntiphonError, ConfigError, UnknownRunError])
@pytest.mark.parametrize("value", ["x" * 3000, "when it " * 375, "x" * 10**6], ids=["word", "words", "1 MB"])
def test_a_long_value_is_cut_in_its_middle(error: type[AntiphonError], value: str) -> None:
    """They repeated it whole; the beginning and what to do stay."""
    message = str(error(f"a.yaml:8: kind: expected one of combine, route, found {value!r}; did you mean y?"))
    assert len(message) < 1600
    assert message.startswith(f"a.yaml:8: kind: expected one of combine, route, found '{value[:9]}")
    assert message.endswith("did you mean y?")
    assert "letters) ..." in message


def test_other_messages_are_as_they_were() -> None:
    lines = [f"{n}: expected one of {', '.join(f'kind{k}' for k in range(100))}, found y" for n in range(9)]
    error = ConfigError("\n".join(lines))
    assert str(error) == "\n".join(lines)
    long = ConfigError("x" * 5000)
    assert str(pickle.loads(pickle.dumps(long))) == str(long)
    assert ConfigError().args == ()
    assert ConfigError(3, "x").args == (3, "x")
