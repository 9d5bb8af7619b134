from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.text.escaping import (
    make_printable,
    to_printable,
    to_printable_script_json,
    to_script_json,
)

values = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(values)
def test_script_json_reads_back_and_cannot_leave_its_element(value: object) -> None:
    text = to_script_json(value)
    assert json.loads(text) == value
    assert text.isascii()
    assert not set("<>&") & set(text)


def test_no_number_that_json_has_not() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        to_script_json([float("nan")])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 你 हिन्दी", "plain ä 你 हिन्दी"),
        ("a\tb\nc", "a\tb\nc"),
        ("safe \u202egnp.exe", "safe ⟨U+202E⟩gnp.exe"),
        ("\u2066x\u2069", "⟨U+2066⟩x⟨U+2069⟩"),
        ("bell\x07 escape\x1b[31m", "bell⟨U+0007⟩ escape⟨U+001B⟩[31m"),
        ("\ud800", "⟨U+D800⟩"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # a joiner that Persian is spelt with
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert to_printable(text) == shown


def test_no_hidden_character_is_missed_in_the_json_of_a_text() -> None:
    for code in (*range(0x3000), *range(0xD700, 0xE100), 0x1F600):
        value = {f"a{chr(code)}": [1, f"\\{chr(code)}b"]}
        assert to_printable_script_json(value) == to_script_json(make_printable(value))
