"""Translations that are begun go on as a plain loop does; words look at what they translate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import MarianMTModel, MarianTokenizer

from components.errors import ConfigError
from components.nodes.continuing import Continued
from components.records import Utterance
from components.simultaneous.units import spread_attention
from components.translation import factory
from components.translation.config import TranslationConfig
from tests.components.decoding.tiny_models import t5
from tests.components.translation.test_seq2seq import translator, utterance
from tests.components.translation.tokenizers import characters

pytestmark = pytest.mark.core

PACKAGED = Path(__file__).parents[3] / "components/packaged/multi30k-en-de"
TEXT = "A man in a blue shirt is standing on a ladder cleaning a window."
SENTENCE = Utterance(id="u", text=TEXT, source_language="en", target_language="de")


@torch.inference_mode()
def plain_loop(text: str, written: str) -> str:
    """Token after token, each by a pass of transformers' model over everything that is written."""
    model, tokenizer = MarianMTModel.from_pretrained(PACKAGED), MarianTokenizer.from_pretrained(PACKAGED)
    source = tokenizer(text, return_tensors="pt")
    begun = tokenizer(text_target=written, add_special_tokens=False).input_ids
    tokens = [model.config.decoder_start_token_id, *begun]
    vocabulary = tokenizer.get_vocab()
    inner = [vocabulary[piece] for piece in vocabulary if not piece.startswith("▁") and piece != "</s>"]
    while len(tokens) < 60:
        scores = model(**source, decoder_input_ids=torch.tensor([tokens])).logits[0, -1]
        scores[model.config.pad_token_id] = -torch.inf
        if begun and len(tokens) == len(begun) + 1:
            scores[inner] = -torch.inf
        tokens.append(int(scores.argmax()))
        if tokens[-1] == tokenizer.eos_token_id:
            break
    return str(tokenizer.decode(tokens, skip_special_tokens=True))


def go_on(written: str, attends: bool = False, beam: int = 1) -> Continued:
    config = TranslationConfig(model="packaged:multi30k-en-de", beam_size=beam, n_best=beam)
    return factory.build(config).go_on(SENTENCE, (), written, attends)


@pytest.mark.parametrize(
    "written", ["", "Ein Mann in einem", "Eine Frau", "Ein Mann in einem blauen Hemd ste"]
)
def test_a_translation_goes_on_as_a_plain_loop(written: str) -> None:
    outcome = go_on(written).outcome
    assert outcome.best.text == plain_loop(TEXT, written)
    assert outcome.best.text.split()[: len(written.split())] == written.split()


def test_nothing_written_changes_no_byte_and_a_beam_begins_as_it_is_forced() -> None:
    config = TranslationConfig(model="packaged:multi30k-en-de")
    (whole,) = factory.build(config).translate([SENTENCE])
    assert go_on("", beam=5).outcome == whole
    outcome = go_on("Eine Frau", beam=5).outcome
    assert len(outcome.hypotheses) == 5
    assert all(h.text.startswith("Eine Frau ") for h in outcome.hypotheses)


def test_words_attend_to_the_words_that_they_translate() -> None:
    continued = go_on("", attends=True)
    words = continued.outcome.best.text.split()
    source = [
        TEXT[: int(at)].split()[-1] for at in spread_attention(" ".join(words), continued.attended, "de")
    ]
    pairs = dict(zip(words, source, strict=True))
    assert {word: pairs[word] for word in ("Mann", "Hemd", "Leiter")} == {
        "Mann": "man",
        "Hemd": "shirt",
        "Leiter": "ladder",
    }


def test_attention_that_is_not_known_is_refused() -> None:
    tokenizer = characters(["<pad>", "</s>", "<unk>"])
    model = t5(vocabulary=len(tokenizer))
    with pytest.raises(ConfigError, match="expected a translator with the decoder of Marian"):
        translator(model, tokenizer).go_on(utterance("ab"), (), "", True)
