"""The tokenizer we write against openai-whisper's own, token for token."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer
from whisper.tokenizer import get_tokenizer

from components.models.conversion.whisper_tokenizer import last_merge, write_tokenizer

SIZES = {51864: (False, 99), 51865: (True, 99), 51866: (True, 100)}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[int, object]:
    out = {}
    for size in SIZES:
        folder: Path = tmp_path_factory.mktemp(str(size))
        write_tokenizer(folder, size)
        out[size] = AutoTokenizer.from_pretrained(folder)
    return out


@pytest.mark.parametrize("size", SIZES)
def test_special_tokens_have_whispers_numbers(size: int, written: dict) -> None:
    multilingual, languages = SIZES[size]
    theirs = get_tokenizer(multilingual, num_languages=languages)
    ours = written[size]
    assert len(ours) == size == theirs.encoding.n_vocab
    for token in theirs.encoding.special_tokens_set:
        assert ours.convert_tokens_to_ids(token) == theirs.encoding.encode_single_token(token)


@settings(max_examples=150)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_same_tokens_as_openai_whisper(written: dict, text: str) -> None:
    for size, (multilingual, languages) in SIZES.items():
        theirs = get_tokenizer(multilingual, num_languages=languages)
        tokens = theirs.encoding.encode(text, disallowed_special=())
        assert written[size](text, add_special_tokens=False).input_ids == tokens
        assert written[size].decode(tokens) == theirs.decode(tokens)


def test_a_token_that_no_merge_makes_is_refused() -> None:
    ranks = {b"a": 0, b"b": 1, b"c": 2, b"ab": 3, b"abc": 4, b"cba": 5}
    assert last_merge(b"abc", ranks) == (b"ab", b"c")
    with pytest.raises(ValueError, match="b'cba' has no merge in this vocabulary"):
        last_merge(b"cba", ranks)
