"""Language models in a search of other tokens, against brute force: whole texts scored by all models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from pathlib import Path

import pytest

from components.decoding.config import SearchConfig
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.token_constraints import force_last
from components.decoding.searches.search import search
from components.decoding.text_synchronous.text_fusion import TextFusion, WeightedTextModel, complete_words
from components.errors import ModelError
from components.models.loaders.ngram import UNKNOWN_LOG_PROB, NgramModel
from tests.components.decoding.test_guidance import TEXTS, require_brute_force, value
from tests.components.decoding.test_search import EOS, LENGTH, Table

ARPA = """\\data\\
ngram 1=5
ngram 2=4
ngram 3=1

\\1-grams:
-0.7 </s>
-99 <s> -0.3
-0.5 a -0.2
-0.9 ab -0.1
-1.1 c -0.4

\\2-grams:
-0.4 <s> a -0.5
-0.2 a c
-0.1 c </s>
-0.6 a ab

\\3-grams:
-0.05 <s> a c

\\end\\
"""
LOG10 = 2.302585
"""Of 10, in nats."""


def decode(tokens: Sequence[int]) -> str:
    return "".join(TEXTS[token] for token in tokens)


class Characters:
    """A model of text that remembers its last two characters; asked for texts it has not seen before only."""

    def __init__(self, seed: int) -> None:
        self.seed, self.asked = seed, list[tuple[str, bool]]()

    def score(self, texts: Sequence[str], end: bool = True) -> list[float]:
        self.asked += [(text, end) for text in texts]
        return [self.value(text, end) for text in texts]

    def value(self, text: str, end: bool) -> float:
        marks = f"^{text}$" if end else f"^{text}"
        return -sum((self.seed * ord(a) * 7 + ord(b) * 13) % 29 / 29 for a, b in pairwise(marks))


def test_a_wide_beam_is_brute_force_with_a_model_added_and_one_subtracted() -> None:
    table, added, subtracted = Table(2, 6, seed=3), Characters(2), Characters(5)
    fusion = TextFusion([WeightedTextModel(added, 0.7), WeightedTextModel(subtracted, -0.4)], decode, [EOS])
    config = SearchConfig(beam_size=180, n_best=6, max_new_tokens=LENGTH, early_stopping="never")
    results = search([table], config, logits_processors=[force_last([EOS])], guidance=Guidance([fusion]))

    def fused(row: int, text: tuple[int, ...]) -> float:
        written = decode(text[:-1]).strip()
        models = 0.7 * added.value(written, True) - 0.4 * subtracted.value(written, True)
        return value(table, row, text) + models

    assert [len(candidates) for candidates in results] == [6, 6]
    require_brute_force(results, table, fused)
    assert len(added.asked) == len(set(added.asked))  # a text is scored once


@pytest.mark.parametrize(
    ("text", "words"), [("", ""), (" the", ""), (" the cat", "the"), (" the cat,", "the"), ("a b c", "a b")]
)
def test_the_last_word_of_an_unfinished_text_may_go_on(text: str, words: str) -> None:
    assert complete_words(text) == words


@pytest.fixture(scope="module")
def ngram(tmp_path_factory: pytest.TempPathFactory) -> NgramModel:
    path = tmp_path_factory.mktemp("ngram") / "model.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return NgramModel(path, str.lower)


@pytest.mark.parametrize(
    ("text", "end", "log10"),
    [
        ("", True, -0.3 - 0.7),  # backs off from <s>
        ("a", False, -0.4),
        ("A c", True, -0.4 - 0.05 - 0.1),  # a trigram, then a bigram
        ("a ab", True, -0.4 + (-0.5 - 0.6) + (-0.1 - 0.7)),  # the back-off weights of "<s> a" and of "ab"
        ("c", True, (-0.3 - 1.1) - 0.1),
    ],
)
def test_ngrams_by_hand(ngram: NgramModel, text: str, end: bool, log10: float) -> None:
    assert ngram.score([text], end=end) == pytest.approx([log10 * LOG10], abs=2e-3)


def test_a_word_that_is_not_there_has_no_history(ngram: NgramModel) -> None:
    expected = UNKNOWN_LOG_PROB + (-1.1 - 0.1) * LOG10
    assert ngram.score(["zebra c"]) == pytest.approx([expected], abs=2e-3)


@pytest.mark.parametrize("unknown", ["<unk>", "<UNK>"])
def test_a_word_that_is_not_there_is_the_models_unknown_word(tmp_path: Path, unknown: str) -> None:
    """As KenLM reads it; words that are rarer than it are no less known."""
    path = tmp_path / "model.arpa"
    own = {"1=5": "1=6", "2=4": "2=5", "-0.7 </s>": f"-0.8 {unknown} -0.6\n-0.7 </s>"}
    own["-0.4 <s> a"] = f"-0.25 {unknown} c\n-0.4 <s> a"
    path.write_text(reduce(lambda text, change: text.replace(*change), own.items(), ARPA), encoding="utf-8")
    model = NgramModel(path, str.lower)
    log10 = (-0.3 - 0.8) - 0.25 - 0.1
    assert model.score(["zebra c"]) == pytest.approx([log10 * LOG10], abs=2e-3)
    log10 = (-0.3 - 0.8) + (-0.6 - 0.9) + (-0.1 - 0.7)  # "ab" is rarer than the unknown word
    assert model.score(["zebra ab"]) == pytest.approx([log10 * LOG10], abs=2e-3)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.arpa"
    path.write_text("no model", encoding="utf-8")
    with pytest.raises(ModelError, match="expected an n-gram model in ARPA format"):
        NgramModel(path, str.lower)
    with pytest.raises(ModelError, match="expected an ARPA file, found none"):
        NgramModel(tmp_path / "none.arpa", str.lower)
