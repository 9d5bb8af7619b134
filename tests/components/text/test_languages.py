"""Language codes are read in one place."""

from __future__ import annotations

import pytest
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB
from whisper.tokenizer import LANGUAGES as WHISPER

from components.errors import ConfigError
from components.text.language_table import OTHER_NAMES
from components.text.languages import (
    NAMES,
    base_of,
    check_code,
    english_name,
    fold,
    is_code,
    is_same_language,
    is_undetermined,
    three_letters_of,
    two_letters_of,
)
from tests.fresh_process import run_python


@pytest.mark.parametrize(
    "code", ["en", "pt-BR", "pt_BR", "zh-Hant-TW", "yue", "und", "es-419", "ns", "jw", "tlh"]
)
def test_a_code_may_have_script_and_region(code: str) -> None:
    assert is_code(code)
    assert check_code(code) == code
    assert base_of(code) == code.replace("_", "-").split("-")[0]


@pytest.mark.parametrize(
    "code", ["", "e", "German", "en-", "en--US", "en US", "../en", "deutsch", "\ud800", "\0", "x" * 10_000]
)
def test_other_texts_are_no_codes(code: str) -> None:
    assert not is_code(code)
    with pytest.raises(ConfigError, match="expected a language code such as en or pt-BR"):
        check_code(code)


def test_the_code_that_was_probably_meant_is_named() -> None:
    with pytest.raises(ConfigError, match=r"did you mean de\?"):
        check_code("German")
    with pytest.raises(ConfigError, match=r"found 'jp'; did you mean ja\?"):  # a country's
        check_code("jp")
    with pytest.raises(ConfigError, match=r"found 'xx'$"):
        check_code("xx")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("deutsch", "de"),
        ("Français", "fr"),
        ("francais", "fr"),
        ("español", "es"),
        ("中文", "zh"),
        ("deutch", "de"),
        ("česky", "cs"),
        ("slovensky", "sk"),
        ("íslenska", "is"),
        ("Kurmanji", "kmr"),
        ("zhongwen", "zh"),
    ],
)
def test_a_language_by_its_own_name_is_that_language(name: str, code: str) -> None:
    with pytest.raises(ConfigError, match=rf"did you mean {code}\?$"):
        check_code(name)


def test_other_names_are_of_languages_of_the_table() -> None:
    assert set(OTHER_NAMES.values()) <= set(NAMES)
    assert list(OTHER_NAMES) == list(map(fold, OTHER_NAMES))


def test_both_lengths_of_a_code_are_one_language() -> None:
    for two, (three, name) in NAMES.items():
        assert two_letters_of(three) == two_letters_of(f"{two}-XX") == two
        assert three_letters_of(two)[0] == three_letters_of(three)[0] == three
        assert english_name(f"{two}_XX") == english_name(three) == name
    assert two_letters_of("tlh") == "tlh"
    assert three_letters_of("tlh") == ()


def test_languages_and_codes_outside_of_the_table_are_known() -> None:
    assert [two_letters_of(code) for code in ("ger", "fre-CA", "chi")] == ["de", "fr", "zh"]
    assert english_name("tlh") == "Klingon"
    for code in ("prs", "acm", "qaa", "jw", "und"):
        assert two_letters_of(code) == code
    for code in ("qaa", "und", "auto", "no code"):
        assert english_name(code) == code


def test_the_table_answers_without_langcodes() -> None:
    run_python(
        "import sys; from components.text.languages import *; two_letters_of('deu-AT'); english_name('de'); "
        "two_letters_of('und'); check_code('pt-BR'); assert 'langcodes' not in sys.modules"
    )


def test_a_macrolanguage_is_the_language_that_models_mean_by_it() -> None:
    assert three_letters_of("ar") == ("ara", "arb")
    assert three_letters_of("arb-EG") == ("arb", "ara")
    assert two_letters_of("cmn") == "zh"


def test_every_language_of_known_models_is_in_the_table() -> None:
    of_m2m, of_nllb = M2M["m2m100"], {code.split("_")[0] for code in NLLB}
    missing = {code for code in {*WHISPER, *of_m2m} if code not in NAMES} - {"jw", "ns"}  # Javanese, Pedi
    assert missing == set()
    dialects = {code for code in of_nllb if two_letters_of(code) == code and code not in NAMES}
    assert len(dialects) < 30, dialects  # regional varieties, which texts are said to be in by their own code


def test_regions_do_not_make_another_language() -> None:
    assert is_same_language("PT_br", "pt")
    assert is_same_language("por", "pt-BR")
    assert not is_same_language("pt", "es")


def test_what_leaves_the_language_open() -> None:
    assert all(map(is_undetermined, ("und", "UND", "auto", "mul")))
    assert not is_undetermined("en")
