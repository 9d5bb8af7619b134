"""Translators of different tokenizers in one search, at tiny random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.decoding.combiner import Combiner
from components.decoding.member_settings import MixingConfig
from components.decoding.models.causal import CausalModel
from components.ensembling.token_level import factory
from components.ensembling.token_level.combiners import LinearInterpolation, LogLinearInterpolation
from components.ensembling.token_level.factory import build_cross_vocabulary_backend, build_translator
from components.ensembling.token_level.translator import EnsembleBackend
from components.ensembling.token_level.vocabularies.cross_vocabulary import (
    LOST_PREFIX,
    CrossVocabularyBackend,
)
from components.errors import ConfigError
from components.records import NBest, Utterance
from components.training.config import TrainingConfig
from components.training.examples import vocabulary
from components.training.marian_model import build_marian
from components.translation.config import TranslationConfig
from tests.components.decoding.tiny_models import llama
from tests.components.stacking.tiny import WORDS

SETTINGS = TranslationConfig(beam_size=3, n_best=2, max_tokens=8, entropies=True)
TEXTS = [Utterance(id=t, text=t, source_language="en") for t in ("ein hund", "rot", "zwei katze sieht blau")]


def save_model(folder: Path, words: list[str], pieces: int, seed: int) -> str:
    tokenizer = vocabulary.save(vocabulary.train([" ".join(words)] * 3, pieces), folder, "en", "de")
    config = TrainingConfig(num_layers=1, d_model=16, ffn_dim=16, num_heads=2, dropout=0.0, seed=seed)
    created = build_marian(config, len(tokenizer))
    created.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The second has more words in its vocabulary than the first."""
    folders = [tmp_path_factory.mktemp(name) for name in ("few", "many")]
    return [save_model(folders[0], WORDS[:6], 32, 0), save_model(folders[1], WORDS, 48, 1)]


def outputs(names: list[str], combine: Combiner, how: str) -> list[NBest]:
    mixing = MixingConfig(vocabulary=how)  # type: ignore[arg-type]
    result = build_translator(SETTINGS, names, mixing, combine).translate(TEXTS)
    assert all(isinstance(outcome, NBest) for outcome in result)
    return result  # type: ignore[return-value]


@pytest.mark.parametrize("how", ["intersection", "union"])
def test_pieces_are_shared_and_the_lost_mass_is_told(models: list[str], how: str) -> None:
    engine, _ = build_cross_vocabulary_backend(SETTINGS, models, LinearInterpolation([0.5, 0.5]), None, how)
    assert isinstance(engine, CrossVocabularyBackend)
    for outcome in outputs(models, LinearInterpolation([0.5, 0.5]), how):
        for hypothesis in outcome.hypotheses:
            spelled = "".join(token.piece for token in hypothesis.tokens if token.piece != "<eos>")
            assert hypothesis.text == " ".join(spelled.replace("▁", " ").split())
            lost = {name: hypothesis.features[LOST_PREFIX + name] for name in models}
            assert all(0 <= value <= 1 for value in lost.values())
            assert (max(lost.values()) > 0.01) == (how == "intersection")
            assert all(set(token.members) <= set(models) for token in hypothesis.tokens)
            assert all(token.entropy is not None for token in hypothesis.tokens)


def test_and_of_a_union_is_and_of_the_intersection(models: list[str]) -> None:
    """A product of distributions is nothing where one of them is, whatever else the vocabulary has."""
    half = LogLinearInterpolation([0.5, 0.5])
    for one, two in zip(outputs(models, half, "union"), outputs(models, half, "intersection"), strict=True):
        assert [h.text for h in one.hypotheses] == [h.text for h in two.hypotheses]
        assert [h.score for h in one.hypotheses] == pytest.approx([h.score for h in two.hypotheses], abs=1e-3)


def test_one_vocabulary_is_mixed_as_ever(models: list[str]) -> None:
    twice, combine = [models[0]] * 2, LinearInterpolation([0.5, 0.5])
    assert isinstance(
        build_cross_vocabulary_backend(SETTINGS, twice, combine, None, "union")[0], EnsembleBackend
    )
    assert outputs(twice, combine, "intersection") == outputs(twice, combine, "same")


def test_a_sentence_that_is_too_long_for_any_member_is_halved(models: list[str]) -> None:
    """The first member has the more pieces of it; the second has room for 551 in two halves only."""
    translator = build_translator(
        SETTINGS, models[::-1], MixingConfig(vocabulary="union"), LinearInterpolation([0.5, 0.5])
    )
    texts = [" ".join((WORDS * 100)[:120]), "a" * 2000]
    halved, whole = translator.translate([Utterance(id=t[0], text=t, source_language="en") for t in texts])
    assert halved.best.features["sentences"] == 2
    assert whole.reason == "input too long"
    assert whole.detail.startswith("expected at most 512 tokens of ")
    assert whole.detail.endswith(" in sentence 1 of 1: split it")


def test_what_cannot_be_mapped_is_refused(models: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"one vocabulary.*combine\.vocabulary to intersection or union"):
        outputs(models, LinearInterpolation([0.5, 0.5]), "same")
    with pytest.raises(ConfigError, match="given or equal coefficients, found linear with learn=constants"):
        build_translator(SETTINGS, models, MixingConfig(vocabulary="union", learn="constants"))
    with pytest.raises(ConfigError, match="expected models that write token by token, without dropout"):
        outputs([models[0], f"dropout:{models[1]}"], LinearInterpolation([0.5, 0.5]), "union")
    engine, _ = build_cross_vocabulary_backend(
        SETTINGS, models, LinearInterpolation([0.5, 0.5]), None, "union"
    )
    assert isinstance(engine, CrossVocabularyBackend)
    with monkeypatch.context() as patch:
        patch.setattr(engine._vocabulary_members[1].model.model.config, "model_type", "m2m_100")
        with pytest.raises(ConfigError, match="found target language's token its model's own: combine"):
            outputs(models, LinearInterpolation([0.5, 0.5]), "union")
    monkeypatch.setattr(
        engine._vocabulary_members[1].model.model.generation_config, "no_repeat_ngram_size", 3
    )
    with pytest.raises(ConfigError, match=f"{models[1]}: .*found no_repeat_ngram_size 3: combine"):
        outputs(models, LinearInterpolation([0.5, 0.5]), "union")


def test_language_models_alone_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {name: CausalModel(llama(), "digest", name) for name in ("one", "other")}
    monkeypatch.setattr(factory, "load_resident", lambda name, *_: (None, models[name], None))
    with pytest.raises(ConfigError, match="one: expected an encoder-decoder model as the first member"):
        factory.build_backend(SETTINGS, list(models), LinearInterpolation([0.5, 0.5]), None)
