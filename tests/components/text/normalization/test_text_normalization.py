from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ConfigError
from components.text.normalization.text_normalization import NORMALIZERS, get_normalizer

GOLDEN = {
    # text: none, basic, whisper-english, whisper-basic
    "": ("", "", "", ""),
    "   ": ("", "", "", ""),
    "...": ("...", "", ".", ""),  # Whisper keeps points for decimals
    "Hello,  World!": ("Hello, World!", "hello world", "hello world", "hello world"),
    "uh, I um know": ("uh, I um know", "uh i um know", "i know", "uh i um know"),
    "um": ("um", "um", "", "um"),
    "[noise] yes (laughs)": ("[noise] yes (laughs)", "noise yes laughs", "yes", "yes"),
    "<unk> yes": ("<unk> yes", "unk yes", "yes", "yes"),
    "the colour won't": ("the colour won't", "the colour won t", "the color will not", "the colour won t"),
    "twenty-five dollars": ("twenty-five dollars", "twenty five dollars", "$25", "twenty five dollars"),
    "Mr. Smith": ("Mr. Smith", "mr smith", "mister smith", "mr smith"),
    "Straße": ("Straße", "straße", "strasse", "straße"),
    "cafe\u0301": ("café", "café", "cafe", "café"),
    "हिन्दी": ("हिन्दी", "हिन्दी", None, "ह न द"),
    "ﬁne ½": ("ﬁne ½", "fine 1 2", None, "fine 1 2"),
    "a\u2028b\u00a0c": ("a b c", "a b c", "a b c", "a b c"),
    "ＡＢＣ": ("ＡＢＣ", "abc", "abc", "abc"),
    "İstanbul": ("İstanbul", "i\u0307stanbul", "istanbul", "i stanbul"),
}
NAMES = ("none", "basic", "whisper-english", "whisper-basic")


@pytest.mark.parametrize("text", GOLDEN)
@pytest.mark.parametrize("column", range(4))
def test_golden(text, column):
    expected = GOLDEN[text][column]
    if expected is not None:
        assert get_normalizer(NAMES[column])(text) == expected


def test_letters_and_no_spaces():
    assert get_normalizer("whisper-basic-letters")("你好。") == "你 好"
    assert get_normalizer("basic-no-spaces")("你 好。Hi") == "你好hi"


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_the_basic_ones_are_idempotent_and_single_spaced(text):
    for name in ("none", "basic", "basic-no-spaces"):
        once = get_normalizer(name)(text)
        assert "  " not in once
        assert once == once.strip()
        assert get_normalizer(name)(once) == once


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_none_raises(text):
    for row in NORMALIZERS.values():
        assert isinstance(row(text), str)


def test_signatures_are_distinct_and_name_their_row():
    signatures = [row.signature for row in NORMALIZERS.values()]
    assert len(set(signatures)) == len(signatures)
    assert all(row.signature.startswith(name) for name, row in NORMALIZERS.items())


def test_an_unknown_name_lists_the_known():
    with pytest.raises(ConfigError, match="whisper-english"):
        get_normalizer("nonsense")
