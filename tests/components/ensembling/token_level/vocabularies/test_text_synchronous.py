"""Translators that agree on text: sentencepiece, and a prompted causal model of byte-level BPE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from components.decoding.member_settings import MixingConfig
from components.decoding.scorers import Vocabulary
from components.decoding.text_synchronous.text_pieces import END, list_texts, read_text
from components.ensembling.token_level.checks import check_translators
from components.ensembling.token_level.combiners import LogLinearInterpolation
from components.ensembling.token_level.factory import build_text_backend, build_translator
from components.ensembling.token_level.translator import EnsembleBackend
from components.ensembling.token_level.vocabularies.text_synchronous import TextSynchronousBackend
from components.errors import ConfigError
from components.records import Utterance
from components.training.examples import vocabulary
from components.translation.config import EnsembleConfig, TranslationConfig
from tests.components.decoding.tiny_models import llama
from tests.components.ensembling.token_level.vocabularies.test_cross_vocabulary import save_model
from tests.components.stacking.tiny import WORDS

SETTINGS = TranslationConfig(beam_size=3, n_best=2, max_tokens=12)
TEXTS = [
    Utterance(id=t, text=t, source_language="en", target_language="de")
    for t in ("ein hund", "rot", "zwei katze")
]
HARD = ["Grüße, Łódź!", "naïve café", "日本語 und 🙂🙃", "a  b", "1,5 % – „so“"]


def byte_level_tokenizer(texts: list[str], size: int) -> Any:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", pad_token="<pad>")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two Marian models of different vocabularies, and a causal one of bytes."""
    folders = [tmp_path_factory.mktemp(name) for name in ("few", "many", "causal")]
    result = [save_model(folders[0], WORDS[:6], 32, 0), save_model(folders[1], WORDS, 48, 1), str(folders[2])]
    tokenizer = byte_level_tokenizer([" ".join(WORDS)] * 3, 290)
    model = llama(len(tokenizer), positions=1024)
    model.config.pad_token_id = model.generation_config.pad_token_id = 0
    model.config.eos_token_id = model.generation_config.eos_token_id = 1
    model.get_output_embeddings()._forward_hooks.clear()
    model.save_pretrained(folders[2])
    tokenizer.save_pretrained(folders[2])
    return result


def test_pieces_write_the_bytes_of_the_text(tmp_path: Path) -> None:
    """Of sentencepiece and byte-level BPE: characters that are cut, spaces, spaces at the beginning."""
    marian = vocabulary.save(vocabulary.train(HARD * 3, 60), tmp_path, "en", "de")
    byte_level = byte_level_tokenizer(HARD[:2] * 3, 270)
    for tokenizer, eos in ((AutoTokenizer.from_pretrained(tmp_path), 0), (byte_level, 1)):
        texts = list_texts(tokenizer, Vocabulary(len(tokenizer), (eos,), 2, "d"), "tokenizer")
        assert texts[eos] == END
        for text in HARD:
            ids = tokenizer(text_target=text, add_special_tokens=False).input_ids
            written = read_text("".join(texts[i] for i in ids))
            if tokenizer is byte_level:
                assert written == text
                assert any("\ufffd" in read_text(texts[i]) for i in tokenizer("🙂").input_ids)
            elif tokenizer.unk_token_id not in ids:
                assert written.removeprefix(" ") == tokenizer.decode(ids)
    del marian
    with pytest.raises(
        ConfigError, match="expected a sentencepiece or byte-level BPE tokenizer, found words"
    ):
        list_texts(_Words(), Vocabulary(2, (0,), 0, "d"), "words")


class _Words:
    all_special_ids = (0,)

    def get_vocab(self) -> dict[str, int]:
        return {"[SEP]": 0, "##ing": 1}

    def get_added_vocab(self) -> dict[str, int]:
        return {}


@pytest.mark.parametrize("chosen", [(0, 2), (0, 1, 2)])
def test_members_write_one_text(names: list[str], chosen: tuple[int, ...]) -> None:
    members = [names[index] for index in chosen]
    mixing = MixingConfig(method="log_linear", vocabulary="text")
    outcomes = build_translator(SETTINGS, members, mixing).translate(TEXTS)
    alone = [build_translator(SETTINGS, members, mixing).translate([text])[0] for text in TEXTS[:1]]
    for outcome in outcomes:
        assert len(outcome.hypotheses) == 2 or not outcome.best.text
        for hypothesis in outcome.hypotheses:
            written = "".join(token.piece for token in hypothesis.tokens).removesuffix("<eos>")
            assert hypothesis.text == " ".join(written.replace("▁", " ").split())
            assert sum(token.log_prob for token in hypothesis.tokens) == pytest.approx(
                hypothesis.score, abs=1e-4
            )
            for token in hypothesis.tokens:
                assert set(token.members) == set(members)
                assert token.log_prob == pytest.approx(sum(token.members.values()) / len(members), abs=1e-4)
    assert [h.text for h in alone[0].hypotheses] == [h.text for h in outcomes[0].hypotheses]


def test_one_vocabulary_is_mixed_token_by_token(names: list[str]) -> None:
    """By the usual search where all members have it; as a group where others have another."""
    mixing = MixingConfig(method="log_linear", vocabulary="text")
    combine = LogLinearInterpolation([0.5, 0.5])
    assert isinstance(build_text_backend(SETTINGS, names[:1] * 2, combine, None)[0], EnsembleBackend)
    same = mixing.model_copy(update={"vocabulary": "same"})
    results = [build_translator(SETTINGS, names[:1] * 2, each).translate(TEXTS) for each in (mixing, same)]
    assert results[0] == results[1]
    third = LogLinearInterpolation([0.25, 0.5, 0.25])
    backend, _ = build_text_backend(SETTINGS, [names[0], names[1], names[0]], third, None)
    assert isinstance(backend, TextSynchronousBackend)
    pair, _ = build_text_backend(SETTINGS, names[:2], combine, None)
    copies, two = (
        engine.decode([engine.prepare(t.text or "", "en", "de") for t in TEXTS]) for engine in (backend, pair)
    )
    for several, few in zip(copies, two, strict=True):
        assert [t.text for t in several] == [t.text for t in few]
        assert [t.score for t in several] == pytest.approx([t.score for t in few], abs=1e-4)
    without, _ = build_text_backend(SETTINGS, names[:2], LogLinearInterpolation([1.0, 0.0]), None)
    (alone, *_), (plain, *_) = (
        engine.decode([engine.prepare("ein hund", "en", "de")])[0]
        for engine in (without, build_text_backend(SETTINGS, names[:1] * 2, combine, None)[0])
    )
    assert (alone.text, alone.finished) == (plain.text, plain.finished)
    assert alone.score == pytest.approx(plain.score, abs=1e-4)


@pytest.mark.parametrize(
    ("mixing", "values", "fault"),
    [
        ({"method": "linear"}, {}, "text: expected combine.method log_linear .*found linear: set it"),
        (
            {"coefficients": (2.0, -1.0)},
            {},
            r"expected coefficients of at least 0 that sum to 1, found \(2.0, -1.0\)",
        ),
        (
            {"learn": "constants"},
            {},
            "combine.vocabulary text: expected linear or log_linear with given or equal",
        ),
        (
            {},
            {"entropies": True},
            "entropies: expected members of one vocabulary, found combine.vocabulary text",
        ),
        ({}, {"sampling": {"count": 3}, "beam_size": 5}, "sampling: expected members of one vocabulary"),
    ],
)
def test_what_has_no_meaning_over_texts_is_refused(mixing: Any, values: Any, fault: str) -> None:
    config = MixingConfig(**{"method": "log_linear", "vocabulary": "text", **mixing})
    with pytest.raises(ConfigError, match=fault):
        check_translators(EnsembleConfig(members=("a", "b"), mixing=config, **values), None)
