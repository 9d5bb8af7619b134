"""Language codes are read in one place."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from components.languages import (
    NAMES,
    base_of,
    check_code,
    english_name,
    is_code,
    is_same_language,
    is_undetermined,
    three_letters_of,
    two_letters_of,
)


@pytest.mark.parametrize("code", ["en", "pt-BR", "pt_BR", "zh-Hant-TW", "yue", "und", "es-419"])
def test_a_code_may_have_script_and_region(code: str) -> None:
    assert is_code(code)
    assert check_code(code) == code
    assert base_of(code) == code.replace("_", "-").split("-")[0]


@pytest.mark.parametrize("code", ["", "e", "German", "en-", "en--US", "en US", "../en", "deutsch"])
def test_other_texts_are_no_codes(code: str) -> None:
    assert not is_code(code)
    with pytest.raises(ConfigError, match="expected a language code such as en or pt-BR"):
        check_code(code)


def test_the_code_that_was_probably_meant_is_named() -> None:
    with pytest.raises(ConfigError, match=r"did you mean de\?"):
        check_code("German")


def test_both_lengths_of_a_code_are_one_language() -> None:
    for two, (three, name) in NAMES.items():
        assert two_letters_of(three) == two_letters_of(f"{two}-XX") == two
        assert three_letters_of(two) == three_letters_of(three) == three
        assert english_name(f"{two}_XX") == name
    assert two_letters_of("haw") == "haw"
    assert three_letters_of("haw") is None
    assert english_name("haw") == "haw"


def test_regions_do_not_make_another_language() -> None:
    assert is_same_language("PT_br", "pt")
    assert not is_same_language("pt", "es")


def test_what_leaves_the_language_open() -> None:
    assert all(map(is_undetermined, ("und", "UND", "auto", "mul")))
    assert not is_undetermined("en")
