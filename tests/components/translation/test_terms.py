"""Terms in translators: the packaged model and tiny random ones, alone, in ensembles, with prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.decoding.config import SearchConfig
from components.decoding.constraints.term_guidance import tokenizations, word_edges
from components.decoding.member_settings import MixingConfig
from components.decoding.models.causal import CausalModel
from components.decoding.scorers import digest_of
from components.ensembling.token_level import factory as ensembles
from components.errors import ConfigError
from components.records import NBest, Utterance
from components.text.term_list import Term
from components.translation import checks, factory
from components.translation.backends.causal.model import CausalBackend
from components.translation.config import TranslationConfig
from components.translation.context.terms import MISSING_FEATURE, SourceTerms
from components.translation.translator import Translator
from tests.components.decoding.tiny_models import llama

from .tokenizers import characters

PACKAGED = "packaged:multi30k-en-de"
SENTENCES = ("A man plays the guitar.", "Two dogs run.", "Man and woman at a table.")


def _config(folder: Path, rows: str, **settings: Any) -> TranslationConfig:
    path = folder / "terms.tsv"
    path.write_text("source\ttarget\tboost\trequire\n" + rows, encoding="utf-8")
    return TranslationConfig.model_validate({"model": PACKAGED, "terms": str(path), "n_best": 1, **settings})


def _utterances(texts: tuple[str, ...] = SENTENCES) -> list[Utterance]:
    languages = {"source_language": "en", "target_language": "de"}
    return [Utterance.model_validate({"id": f"u{n}", "text": t, **languages}) for n, t in enumerate(texts)]


def _best(translator: Translator, texts: tuple[str, ...] = SENTENCES) -> list[Any]:
    outcomes = translator.translate(_utterances(texts))
    return [outcome.best for outcome in outcomes if isinstance(outcome, NBest)]


def test_a_term_is_written_where_its_source_is(tmp_path: Path) -> None:
    config = _config(tmp_path, "man\tKerl\t30\t\n")
    plain = _best(factory.build(config.model_copy(update={"terms": None})))
    guided = _best(factory.build(config))
    assert guided[0].text.count("Kerl") == 1  # a boost that is far too large makes no loop
    assert "Kerl" in guided[2].text  # in lower case, a source is found in any case
    assert guided[1] == plain[1]
    assert not any("Kerl" in each.text for each in plain)
    alone = [_best(factory.build(config), (text,))[0] for text in SENTENCES]
    assert [each.text for each in alone] == [each.text for each in guided]
    assert guided[0].score == pytest.approx(sum(token.log_prob for token in guided[0].tokens), abs=1e-3)
    assert all(token.log_prob <= 0 for token in guided[0].tokens)


def test_a_required_term_is_written_whatever_the_model_thinks(tmp_path: Path) -> None:
    config = _config(tmp_path, "man\tSchmetterling\t0.01\tyes\ndogs\tHaifisch\t0.01\t\n")
    guided = _best(factory.build(config))
    assert ["Schmetterling" in each.text for each in guided] == [True, False, True]
    assert [each.features[MISSING_FEATURE] for each in guided] == [0, 0, 0]
    mixing = MixingConfig(coefficients=(0.5, 0.5))
    mixed = _best(ensembles.build_translator(config, [PACKAGED, PACKAGED], mixing))
    assert [each.text for each in mixed] == [each.text for each in guided]


def test_prompted_models_take_terms() -> None:
    tokenizer = characters(["<s>", "<unk>"], newline=True, bos_token="<s>")
    model = CausalModel(llama(len(tokenizer), positions=700), digest_of(tokenizer.get_vocab()), "tiny")
    terms = SourceTerms([Term("abc", "zq", 50.0), Term("", "never", 0.1)], tokenizer, len(tokenizer), "tiny")
    config = SearchConfig(beam_size=2, max_new_tokens=6)
    backend = CausalBackend(model, tokenizer, config, prompt="few-shot", terms=terms)
    first, second = (backend.prepare(text, "en", "de") for text in ("the abc.", "the abd."))
    assert (first.terms, second.terms) == (((0, 1), (1, 1)), ((1, 1),))
    results = backend.decode([first, second])
    assert "zq" in results[0][0].text.lower()
    assert "zq" not in results[1][0].text.lower()


def test_tokenizations_with_and_without_a_space() -> None:
    _, _, tokenizer = factory.load_resident(PACKAGED, TranslationConfig(model=PACKAGED), None)

    def pieces_of(text: str) -> set[str]:
        return {
            " ".join(tokenizer.convert_ids_to_tokens(list(ids))) for ids in tokenizations(tokenizer, text)
        }

    assert pieces_of("ball") == {"▁ball", "ball"}
    assert pieces_of("Schmetterling") == {"▁Schmetterling"}  # there is no such piece within a word
    assert tokenizations(tokenizer, "東京") == set()
    edges = word_edges(tokenizer, 10)
    assert len(edges.continues) == 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam_size": 1}, "terms: expected beam_size of at least 2 .* found beam_size 1"),
        ({"sampling": {"count": 2}, "n_best": 5}, "found sampling"),
    ],
)
def test_what_a_required_term_needs(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checks.check(_config(tmp_path, "man\tKerl\t1\tyes\n", **settings), None)


def test_a_wrong_line_is_found_before_a_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"terms.tsv:2: boost: .* found 'x'"):
        checks.check(_config(tmp_path, "man\tKerl\tx\t\n"), None)
