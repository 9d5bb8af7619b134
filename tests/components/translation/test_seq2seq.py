"""Texts through tiny random encoder-decoder models: language codes, prefixes, refusals, records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, MarianMTModel, MarianTokenizer

from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.errors import DataError, ModelError
from components.records import Checkpoint, NBest, Quarantined, Utterance
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend
from components.translation.translator import Translator
from tests.components.decoding.models.test_architectures import SEQ2SEQ, tiny
from tests.components.decoding.tiny_models import m2m, marian, t5

from .tokenizers import characters

pytestmark = pytest.mark.core

PACKAGED = Path(__file__).parents[3] / "components/packaged/multi30k-en-de"
CHECKPOINT = Checkpoint(reference="tiny", path="nowhere", sha256="0" * 64, architecture="Tiny")


def engine(model: Any, tokenizer: Any, **settings: Any) -> Seq2SeqBackend:
    config = SearchConfig(**{"beam_size": 3, "n_best": 3, "max_new_tokens": 8, **settings})
    return Seq2SeqBackend(Seq2SeqModel(model, "digest", "tiny"), tokenizer, config)


def translator(model: Any, tokenizer: Any, batch_size: int = 4) -> Translator:
    return Translator(engine(model, tokenizer), CHECKPOINT, n_best=3, batch_size=batch_size)


def utterance(text: str | None, name: str = "u", target: str | None = "de") -> Utterance:
    audio = {"path": "a.wav", "sha256": "0" * 64, "seconds": 1.0, "sample_rate": 16000}
    return Utterance.model_validate(
        {
            "id": name,
            "text": text,
            "audio": audio if text is None else None,
            "source_language": "en",
            "target_language": target,
        }
    )


def plain() -> tuple[Any, Any]:
    tokenizer = characters(["</s>", "<unk>"])
    return marian(vocabulary=len(tokenizer) + 1), tokenizer


def test_outcomes_are_complete_and_in_order() -> None:
    model, tokenizer = plain()
    texts = ["abc. Defg! H", "", "x " * 50, None, "</s> a <unk> b", "abc", "Abc. " + "D" * 50]
    outcomes = translator(model, tokenizer).translate([utterance(t, str(i)) for i, t in enumerate(texts)])
    assert [o.utterance_id for o in outcomes] == list("0123456")
    three, empty, long, silent, spelled, single, word = outcomes
    assert len(three.hypotheses) == 3
    for hypothesis in three.hypotheses:
        assert hypothesis.features["sentences"] == 3
        assert hypothesis.score == pytest.approx(sum(t.log_prob for t in hypothesis.tokens), abs=1e-3)
        assert hypothesis.n_tokens == len(hypothesis.tokens)
        assert hypothesis.system == "tiny"
    ranks = [hypothesis.features["rank"] for hypothesis in three.hypotheses]
    assert ranks == sorted(ranks, reverse=True)
    assert (empty.best.text, empty.best.score, empty.best.n_tokens) == ("", 0.0, 0)
    assert long.best.features["sentences"] == 2  # halved: the model reads 40 tokens, and these are 51
    assert "expected at most 40 tokens per sentence, found 51 in sentence 2 of 2" in word.detail
    assert silent.reason == "no text"
    assert isinstance(spelled, NBest)
    assert isinstance(single, NBest)


def test_the_same_input_gives_the_same_bytes_and_any_batch_the_same_texts() -> None:
    model, tokenizer = plain()
    inputs = [utterance("abcdefghij"[: 1 + i % 9] * 2, str(i)) for i in range(7)]
    first = translator(model, tokenizer).translate(inputs)
    again = translator(model, tokenizer).translate(inputs)
    assert [o.model_dump_json() for o in first] == [o.model_dump_json() for o in again]
    alone = [translator(model, tokenizer, batch_size=1).translate([u])[0] for u in inputs]
    for one, other in zip(first, alone, strict=True):
        assert [h.text for h in one.hypotheses] == [h.text for h in other.hypotheses]


def test_a_multilingual_model_gets_its_language_codes() -> None:
    tokenizer = characters(
        ["<s>", "<pad>", "</s>", "<unk>", "__en__", "__de__", "fra_Latn"],
        extra_special_tokens=["__en__", "__de__", "fra_Latn"],
    )
    model = m2m(vocabulary=len(tokenizer))
    ready = engine(model, tokenizer)
    assert ready.prepare("ab", "en", "de").target == "de"
    assert tokenizer.src_lang == "en"
    best = ready.decode([ready.prepare("ab", "en", "fr")])[0][0]
    assert best.tokens[0].piece == "fra_Latn"
    assert "fra_Latn" not in best.text
    with pytest.raises(DataError, match="a language that the model knows, found 'xx'"):
        ready.prepare("ab", "en", "xx")
    with pytest.raises(DataError, match="expected a target_language"):
        ready.prepare("ab", "en", None)


def test_t5_gets_the_prefix_of_its_configuration() -> None:
    tokenizer = characters(["<pad>", "</s>", "<unk>"])
    model = t5(vocabulary=len(tokenizer))
    model.config.task_specific_params = {"translation_en_to_de": {"prefix": "to German: "}}
    ready = engine(model, tokenizer)
    spelled = tokenizer.convert_ids_to_tokens(list(ready.prepare("ab", "en", "de").tokens))
    assert "".join(spelled) == "toGerman:ab</s>"
    assert "".join(tokenizer.convert_ids_to_tokens(list(ready.prepare("ab", "en", "cs").tokens))) == "ab</s>"


def test_a_multi_target_marian_gets_its_target_code() -> None:
    tokenizer = characters(["</s>", "<unk>", ">>deu<<"])
    ready = engine(marian(vocabulary=len(tokenizer) + 1), tokenizer)
    assert ready.prepare("ab", "en", "de").tokens[0] == 2
    assert ready.prepare("ab >>deu<<", "en", "de").tokens.count(2) == 1  # the text gives no commands
    with pytest.raises(DataError, match="a target language that the model knows, found 'cs'; it has >>deu<<"):
        ready.prepare("ab", "en", "cs")
    with pytest.raises(DataError, match="expected a target_language"):
        ready.prepare("ab", "en", None)


def test_madlad_gets_its_target_code_before_the_text() -> None:
    tokenizer = characters(["<pad>", "</s>", "<unk>", "<2de>", "<2pt_BR>"])
    ready = engine(t5(vocabulary=len(tokenizer)), tokenizer)
    for target, tag in (("de", "<2de>"), ("deu", "<2de>"), ("pt-BR", "<2pt_BR>")):
        spelled = tokenizer.convert_ids_to_tokens(list(ready.prepare("ab", "en", target).tokens))
        assert "".join(spelled) == f"{tag}ab</s>"
    with pytest.raises(DataError, match="found 'cs'; it has <2de>, <2pt_BR>"):
        ready.prepare("ab", "en", "cs")


def test_seamless_writes_its_languages_token_first() -> None:
    tokenizer = characters(
        ["<s>", "<pad>", "</s>", "<unk>", "__eng__", "__deu__"], extra_special_tokens=["__eng__", "__deu__"]
    )
    settings = {**SEQ2SEQ["seamless_m4t_v2"], "vocab_size": len(tokenizer)}
    model = tiny(AutoModelForSeq2SeqLM, "seamless_m4t_v2", settings)
    codes = {name.strip("_"): tokenizer.convert_tokens_to_ids(name) for name in ("__eng__", "__deu__")}
    model.generation_config.text_decoder_lang_to_code_id = codes
    ready = engine(model, tokenizer)
    sentence = ready.prepare("ab cd", "en", "de")
    expected = model.generate(
        torch.tensor([sentence.tokens]), tgt_lang="deu", num_beams=3, num_return_sequences=3, max_new_tokens=7
    )
    texts = tokenizer.batch_decode(expected, skip_special_tokens=True)
    translations = ready.decode([sentence])[0]
    assert translations[0].tokens[0].piece == "__deu__"
    assert [t.text for t in translations] == [" ".join(text.split()) for text in texts]


def test_the_packaged_model_is_generate_text_for_text() -> None:
    model = MarianMTModel.from_pretrained(PACKAGED, dtype=torch.float32).eval()
    tokenizer = MarianTokenizer.from_pretrained(PACKAGED)
    texts = ["A man is riding a horse.", "Two dogs play in the snow with a red ball.", "A girl."]
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    expected = model.generate(
        **batch, num_beams=5, num_return_sequences=1, max_new_tokens=60, do_sample=False
    )
    ready = engine(model, tokenizer, beam_size=5, n_best=5, max_new_tokens=60)
    outcomes = Translator(ready, CHECKPOINT, n_best=5, batch_size=8).translate(
        [utterance(text, str(i)) for i, text in enumerate(texts)]
    )
    result = [o.best.text for o in outcomes if isinstance(o, NBest)]
    assert result == [t.strip() for t in tokenizer.batch_decode(expected, skip_special_tokens=True)]
    refused = Translator(ready, CHECKPOINT, n_best=5, batch_size=8).translate(
        [utterance("A dog.", target="fr"), utterance("A dog.", target="en")]
    )
    assert ["choose another model" in str(r.detail) for r in refused if isinstance(r, Quarantined)] == [
        True,
        False,
    ]
    assert "to en, which it is in already: leave it out" in str(refused[1])


class Fragile(Seq2SeqBackend):
    """Gives NaN for every batch with a ``z`` in it, as a model does whose weights overflow."""

    def decode(self, sentences: Any) -> Any:
        z = self._tokenizer.get_vocab()["z"]
        if any(z in sentence.tokens for sentence in sentences):
            raise ModelError("expected finite log-probabilities, found NaN")
        return super().decode(sentences)


def test_a_sentence_that_gives_nan_quarantines_its_text_alone() -> None:
    model, tokenizer = plain()
    config = SearchConfig(beam_size=2, n_best=2, max_new_tokens=4)
    fragile = Fragile(Seq2SeqModel(model, "digest", "tiny"), tokenizer, config)
    machine = Translator(fragile, CHECKPOINT, n_best=2, batch_size=8)
    texts = ["abc.", "Abc. Xyz. De.", "fg", "hi"]
    asked = [utterance(text, str(i)) for i, text in enumerate(texts)]
    first, bad, *rest = machine.translate(asked)
    assert (bad.reason, bad.utterance_id) == ("no finite scores", "1")
    assert "sentence 2 of 3" in bad.detail
    assert [o.best.text for o in (first, *rest) if isinstance(o, NBest)] == [
        o.best.text for o in machine.translate([asked[0], *asked[2:]]) if isinstance(o, NBest)
    ]
    with pytest.raises(ModelError):
        machine.translate([asked[1].model_copy(update={"text": "z"})])
