from __future__ import annotations

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from components.errors import DataError
from components.metrics.translation_quality.bleu import bleu_tokenizer
from components.metrics.translation_quality.translation import sentence_scores, translation_scores

REFS = {
    "a": ("Die Katze saß auf der Matte.", "Die Katze sass da."),
    "b": ("Ein Hund rennt schnell.",),
    "c": ("Zwei Kinder spielen im Schnee.", "", "Zwei Kinder toben im Schnee."),
}
HYPS = {
    "a": "Die Katze saß auf der Matte.",
    "b": "Ein Hund läuft sehr schnell.",
    "c": "Zwei Kinder spielen im Park.",
}


@pytest.mark.parametrize(("name", "metric"), [("bleu", BLEU), ("chrf", CHRF), ("ter", TER)])
def test_score_width_and_signature_are_sacrebleus(name: str, metric: type) -> None:
    """Its interval is the resamples' mean ± half the width of their middle 95%; ours is that middle."""
    refs = {f"{key}{n}": texts for n in (2, 10, 1, 3) for key, texts in REFS.items()}
    hyps = {f"{key}{n}": text + " Ja" * (n % 3) for n in (10, 3, 2, 1) for key, text in HYPS.items()}
    ours = translation_scores(refs, hyps, language="de", n_total=12)[name]
    scorer = metric()
    streams = [[REFS[k][0] for k in "abc"] * 4, [REFS["a"][1], None, REFS["c"][2]] * 4]
    theirs = scorer.corpus_score([hyps[key] for key in refs], streams, n_bootstrap=10_000)
    assert ours.value == pytest.approx(theirs.score)
    assert ours.signature == f"{scorer.get_signature()}|bs:10000|ci:percentile|seed:12345".replace(
        "|bs:10000|seed:12345", "", 1
    )
    width = ours.interval[1] - ours.interval[0]
    assert width == pytest.approx(2 * theirs._ci, abs=0.02)


@pytest.mark.parametrize(
    ("refs", "hyps", "bleu"),
    [
        ({}, {}, None),
        ({"u": ("a b c d",)}, {}, None),
        ({"u": ()}, {"u": "a b c d"}, None),
        ({"u": ("", " ")}, {"u": "a b c d"}, None),  # an empty reference is no reference
        ({"u": ("a b c d",)}, {"u": ""}, 0.0),
        ({"u": ("a b c d",)}, {"u": "a b c d"}, 100.0),
        ({"u": ("Mu\u0308ll a b c",)}, {"u": "M\u00fcll a b c"}, 100.0),
        ({"u": ("A b c d",), "v": ()}, {"u": "A b c d", "v": "x"}, 100.0),
    ],
)
def test_edges(refs: dict[str, tuple[str, ...]], hyps: dict[str, str], bleu: float | None) -> None:
    result = translation_scores(refs, hyps, language="de", n_total=2)
    assert (result["bleu"].value if result else None) == (None if bleu is None else pytest.approx(bleu))
    if result:
        assert (result["bleu"].n, result["bleu"].n_total) == (1, 2)


def test_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(DataError, match="wrong way round"):
        translation_scores(HYPS, {k: v[0] for k, v in REFS.items()}, language="de", n_total=3)
    with pytest.raises(DataError, match="wrong way round"):
        translation_scores(REFS, REFS, language="de", n_total=3)  # type: ignore[arg-type]


def test_tokenizer_of_the_target_language() -> None:
    assert bleu_tokenizer("de") == "13a"
    assert bleu_tokenizer("zh-TW") == "zh"
    assert bleu_tokenizer("th") == "char"
    assert bleu_tokenizer("ja") in ("ja-mecab", "char")
    assert bleu_tokenizer("ko") in ("ko-mecab", "char")
    score = translation_scores(
        {"u": ("我们都有一只猫。",)}, {"u": "我们都有一只狗。"}, language="zh", n_total=1
    )
    assert "tok:zh" in score["bleu"].signature
    assert 0 < score["bleu"].value < 100
    assert score["ter"].value == pytest.approx(100 / 8)


def test_sentence_scores_use_effective_order() -> None:
    result = sentence_scores({"u": ("Hallo Welt",)}, {"u": "Hallo Welt"}, language="de")
    assert result == {"u": {"chrf": pytest.approx(100.0), "bleu": pytest.approx(100.0)}}
