"""Data of several languages: each utterance under the tokenizer and normalizer of its own."""

from __future__ import annotations

import pytest
from sacrebleu.metrics.bleu import BLEU

from components.errors import DataError
from components.metrics.error_rates.recognition import recognition_scores, utterance_errors
from components.metrics.languages import assign_languages, group_by_language, merge_signatures
from components.metrics.statistics.corpus_statistics import text_statistics
from components.metrics.translation_quality.translation import sentence_scores, translation_scores

REFERENCES = {
    "a": "ein Hund läuft im Park .",
    "b": "一只狗在公园里跑。",
    "c": "un chien court dans le parc .",
    "d": "两个男人坐在长椅上。",
}
OUTPUTS = {
    "a": "ein Hund rennt im Park .",
    "b": "一只猫在公园里跑。",
    "c": "un chien court dans le parc .",
    "d": "两个男人在长椅上。",
}
LANGUAGE = {"a": "de", "b": "zh", "c": "fr", "d": "zh"}
LISTED = {key: (text,) for key, text in REFERENCES.items()}


def part(texts: dict[str, str], *codes: str) -> list[str]:
    return [text for key, text in texts.items() if LANGUAGE[key] in codes]


def test_bleu_is_of_the_counts_under_each_languages_tokenizer() -> None:
    """sacreBLEU's own counts, German and French under 13a, Chinese under zh, added up by hand."""
    total = [0] * 10
    for tokenizer, codes in (("13a", ("de", "fr")), ("zh", ("zh",))):
        bleu = BLEU(tokenize=tokenizer)
        rows = bleu._extract_corpus_statistics(part(OUTPUTS, *codes), [part(REFERENCES, *codes)])
        total = [sum(column) for column in zip(total, *rows, strict=True)]
    expected = BLEU._compute_score_from_stats(BLEU(), total).score
    result = translation_scores(LISTED, OUTPUTS, language=LANGUAGE, n_total=4)["bleu"]
    assert result.value == pytest.approx(expected)
    wrong = translation_scores(LISTED, OUTPUTS, language="und", n_total=4)["bleu"]
    assert abs(wrong.value - expected) > 1  # what one tokenizer for all would have said
    assert result.signature.startswith("de, fr: nrefs:1|case:mixed|eff:no|tok:13a|")
    assert " + zh: nrefs:1|case:mixed|eff:no|tok:zh|" in result.signature


@pytest.mark.parametrize("name", ["bleu", "chrf", "ter"])
def test_a_language_of_the_table_scores_as_it_does_alone(name: str) -> None:
    table = text_statistics(LISTED, OUTPUTS, language=LANGUAGE, n_total=4)[name]
    for code in ("de", "fr", "zh"):
        ids = [key for key in LANGUAGE if LANGUAGE[key] == code]
        alone = {key: LISTED[key] for key in ids}
        texts = {key: OUTPUTS[key] for key in ids}
        expected = translation_scores(alone, texts, language=code, n_total=4)[name].value
        assert table.subset(ids).score() == pytest.approx(expected)


def test_one_language_of_each_is_one_language_of_all() -> None:
    same = dict.fromkeys(REFERENCES, "de")
    one, other = (translation_scores(LISTED, OUTPUTS, language=x, n_total=4) for x in ("de", same))
    assert one == other
    one, other = (recognition_scores(REFERENCES, OUTPUTS, language=x, n_total=4) for x in ("de", same))
    assert one == other
    first, second = (sentence_scores(LISTED, OUTPUTS, language=x) for x in ("de", same))
    assert list(first.items()) == list(second.items())


def test_transcripts_pass_the_normalizer_of_their_language() -> None:
    output = {"a": "It's 20 metres.", "b": "一只狗", "c": "Äpfel, süß!", "d": "   "}
    transcripts = {"a": "it is twenty meters", "b": "一只猫", "c": "äpfel süss", "d": ""}
    language = {"a": "en", "b": "zh", "c": "de", "d": "de"}
    result = recognition_scores(output, transcripts, language=language, n_total=4)
    assert (result["wer"].value, result["wer"].n) == (pytest.approx(100 / 6), 2)  # 4 English words, 2 German
    assert "norm:de: basic" in result["wer"].signature
    assert " + en: whisper-english" in result["wer"].signature
    assert "zh" not in result["wer"].signature
    assert result["cer"].n == 3
    assert "zh: basic-no-spaces" in result["cer"].signature
    assert result["hallucinations"].n == 1
    said, names = {key: (text,) for key, text in output.items()}, ("wer", "cer")
    tables = text_statistics(said, transcripts, language=language, n_total=4, names=names)
    assert {name: (one.score(), one.ids) for name, one in tables.items()} == {
        "wer": (pytest.approx(result["wer"].value), ("a", "c")),
        "cer": (pytest.approx(result["cer"].value), ("a", "b", "c")),
    }
    each = utterance_errors(output, transcripts, language=language)
    assert {key: one.rate for key, one in each.items()} == {
        "a": 0.0,
        "b": pytest.approx(100 / 3),
        "c": 50.0,
        "d": None,
    }


def test_an_utterance_without_a_language_is_refused() -> None:
    with pytest.raises(DataError, match="b: expected its language among those of 1 utterances, found none"):
        assign_languages(["a", "b"], {"a": "de"})
    assert assign_languages([], "de") == assign_languages([], {}) == ()
    assert group_by_language(["zh", "de", "zh"]) == {"de": [1], "zh": [0, 2]}


def test_signatures() -> None:
    assert merge_signatures({"de": "x", "fr": "x"}) == "x"
    assert merge_signatures({"de": "x", "fr": "x", "zh": "y"}) == "de, fr: x + zh: y"


@pytest.mark.parametrize(
    ("three", "two"), [("jpn", "ja"), ("zho", "zh"), ("cmn-Hans", "zh-Hans"), ("eng", "en")]
)
def test_a_code_of_three_letters_is_scored_as_that_of_two(three: str, two: str) -> None:
    references = {"a": "I don't know, it's 20 dollars.", "b": OUTPUTS["b"]}
    for score, stated in ((recognition_scores, REFERENCES | references), (translation_scores, LISTED)):
        longer, shorter = (
            score(stated, OUTPUTS, language=code, n_total=4)  # type: ignore[operator]
            for code in (three, two)
        )
        assert longer == shorter
