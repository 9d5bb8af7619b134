"""Where a served model is: variables, blocks, and a key that goes to its own address and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.endpoints import endpoint
from components.endpoints.endpoint import MIN_SECRET, Endpoint, find_endpoint, variable_of
from components.errors import ConfigError


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ANTIPHON_SERVED")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(endpoint, "BLOCKS", {})


def set_variables(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"ANTIPHON_SERVED_{name}", value)


def test_a_models_own_variables_come_before_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, URL="http://a/v1", KEY="common-key", TIMEOUT="5", QWEN_QWEN3_8B_MODEL="q")
    endpoint = find_endpoint("Qwen/Qwen3-8B")
    assert (endpoint.url, endpoint.model, endpoint.timeout) == ("http://a/v1", "q", 5.0)
    assert endpoint.key.get_secret_value() == "common-key"
    set_variables(monkeypatch, QWEN_QWEN3_8B_TIMEOUT="7", QWEN_QWEN3_8B_KEY="own-key")
    own = find_endpoint("Qwen/Qwen3-8B")
    assert (own.timeout, own.key.get_secret_value(), own.url) == (7.0, "own-key", "http://a/v1")
    assert find_endpoint("other").model == "other"


def test_a_key_is_not_sent_to_an_address_that_it_was_not_set_with(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, URL="http://a/v1", KEY="common-key", B_URL="http://b/v1")
    assert find_endpoint("b").key.get_secret_value() == ""
    assert find_endpoint("a").key.get_secret_value() == "common-key"


@pytest.mark.parametrize("written", ["sk-secret-key\r", "sk-secret-key\n", " sk-secret-key\r\n"])
def test_the_end_of_a_line_is_no_part_of_a_key(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, URL="http://a/v1", KEY=written)
    assert find_endpoint("a").key.get_secret_value() == "sk-secret-key"


@pytest.mark.parametrize("written", ["sk-sécret-key", "sk-secret\nkey", "sk-\u2028secret-key"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would show the header that it refuses."""
    set_variables(monkeypatch, URL="http://a/v1", KEY=written)
    with pytest.raises(
        ConfigError, match=r"^served:a: expected a key of printable ASCII characters"
    ) as fault:
        find_endpoint("a")
    assert "sk-" not in str(fault.value)


def test_a_block_holds_what_the_environment_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: dict[str, Mapping[str, object]] = {"mine": {"url": "http://a/v1", "key": "of-the-block"}}
    set_variables(monkeypatch, BLOCK="mine", B_URL="http://b/v1")
    with pytest.raises(
        ConfigError, match="expected the Prefect Secret block 'mine' of ANTIPHON_SERVED_BLOCK"
    ):
        find_endpoint("a")
    monkeypatch.setattr(endpoint, "BLOCKS", {"test": blocks.get})
    assert find_endpoint("a").key.get_secret_value() == "of-the-block"
    assert find_endpoint("b").key.get_secret_value() == ""
    blocks["mine"] = {"url": "http://a/v1", "keys": "x"}
    with pytest.raises(ConfigError, match="in block 'mine', found keys"):
        find_endpoint("a")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a",
        "a/v1",
        "http://",
        "http://user:password-x@a/v1",
        "http://a/v1?key=password-x",
        "http://[a",
        "http://a:b",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_shown(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, URL=url)
    with pytest.raises(ConfigError, match="served:x: expected an address such as http") as fault:
        find_endpoint("x")
    assert "password-x" not in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("field", "value"), [("TIMEOUT", "soon"), ("CONCURRENCY", "0"), ("RETRIES", "-1"), ("TIMEOUT", "nan")]
)
def test_a_value_that_is_none_is_named(field: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, URL="http://a/v1", KEY="the-secret-key", **{field: value})
    with pytest.raises(ConfigError, match=f"served:x: {field.lower()}: ") as fault:
        find_endpoint("x")
    assert "the-secret-key" not in str(fault.value)


def test_what_is_set_nowhere_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=f"set ANTIPHON_SERVED_URL or {variable_of('x/y', 'url')}"):
        find_endpoint("x/y")


KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=MIN_SECRET, max_size=60)
JSON = st.recursive(
    st.text() | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(key=KEYS, around=st.tuples(st.text(), st.text()), value=JSON)
def test_no_text_of_an_endpoint_holds_its_key(key: str, around: tuple[str, str], value: object) -> None:
    endpoint = Endpoint(name="n", model="m", url="http://h/v1", key=key)
    answer = {"text": key.join(around), key: [value, {"deep": f"a{key}b"}]}
    texts = (repr(endpoint), str(endpoint), endpoint.model_dump_json(), repr([endpoint]), f"{endpoint.key}")
    assert all(key not in text for text in texts)
    assert all(key not in text for text in walk(endpoint.mask_all(answer)))


def walk(value: object) -> Iterator[str]:
    """Every text of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from (name, *walk(part))
    elif isinstance(value, list):
        for part in value:
            yield from walk(part)


def test_a_word_that_stands_for_no_key_is_left_in_texts() -> None:
    assert (
        Endpoint(name="n", model="m", url="http://h", key="EMPTY").mask("an EMPTY house") == "an EMPTY house"
    )
