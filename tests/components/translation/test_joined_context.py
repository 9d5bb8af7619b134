"""Sentences joined to those before them: an encoder-decoder model goes on after their translations."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from components.decoding.candidates import Candidate
from components.decoding.config import SearchConfig
from components.decoding.models.seq2seq import Seq2SeqModel
from components.translation.backends.encoder_decoder.model import Seq2SeqBackend, find_end
from components.translation.config import Context
from components.translation.prompting import build_chat_messages, build_few_shot_prompt
from tests.components.decoding.tiny_models import m2m, marian, packed_marian, t5

from .tokenizers import characters

TURNS = [("ab cd", "fed"), ("g", "hi")]
M2M = ["<s>", "<pad>", "</s>", "<unk>", "__en__", "__de__"]
SPECIAL = {
    "marian": ["</s>", "<unk>"],
    "packed": ["</s>", "<unk>"],
    "t5": ["<pad>", "</s>", "<unk>"],
    "m2m": M2M,
}


def backend(
    kind: str, context: Context, *, beam: int = 3, added: tuple[str, ...] = ()
) -> tuple[Any, Any, Any]:
    languages = [token for token in SPECIAL[kind] if token.startswith("__")]
    tokenizer = characters([*SPECIAL[kind], *added], extra_special_tokens=[*languages, *added])
    make: Any = {"m2m": m2m, "t5": t5}.get(kind, marian)
    model = make(vocabulary=len(tokenizer) + (make is marian))
    ready = packed_marian(model) if kind == "packed" else Seq2SeqModel(model, "digest", kind)
    config = SearchConfig(beam_size=beam, n_best=beam, max_new_tokens=6)
    return Seq2SeqBackend(ready, tokenizer, config, context=context), model, tokenizer


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("beam", [1, 3])
def test_it_goes_on_as_generate_does_after_the_same_tokens(kind: str, beam: int) -> None:
    ready, model, tokenizer = backend(kind, Context(), beam=beam)
    sentences = [ready.prepare_in_context(text, "en", "de", TURNS) for text in ("jk", "lmn o")]
    spelled = "".join(tokenizer.convert_ids_to_tokens(list(sentences[1].prefix)))
    assert spelled == ("__de__" if kind == "m2m" else "") + "fedhi"
    for sentence, translations in zip(sentences, ready.decode(sentences), strict=True):
        start = [model.generation_config.decoder_start_token_id, *sentence.prefix]
        expected = model.generate(
            input_ids=torch.tensor([sentence.tokens]),
            decoder_input_ids=torch.tensor([start]),
            num_beams=beam, num_return_sequences=beam, max_new_tokens=6, do_sample=False,
        )  # fmt: skip
        texts = tokenizer.batch_decode(expected[:, len(start) :], skip_special_tokens=True)
        assert [t.text for t in translations] == [" ".join(text.split()) for text in texts]


def test_source_context_alone_is_cut_at_the_last_separator() -> None:
    ready, _, tokenizer = backend("marian", Context(target=False, separator="<brk>"), added=("<brk>",))
    sentence = ready.prepare_in_context("j <brk> k", "en", "de", TURNS)
    assert "".join(tokenizer.convert_ids_to_tokens(list(sentence.tokens))) == "abcd<brk>g<brk>jk</s>"
    assert sentence.prefix == ()
    separator = tokenizer.convert_tokens_to_ids("<brk>")
    assert [find_end(tokens, [separator]) for tokens in ([5, 6], [5, separator, 6, separator, 7])] == [0, 4]
    plain, _, _ = backend("marian", Context(), added=("<brk>",))
    (whole,) = plain.decode([sentence])
    written = [[token.piece for token in each.tokens] for each in whole]
    piece = max(written, key=len)[0]
    ready._separator = (tokenizer.convert_tokens_to_ids(piece),)  # one that it does write
    (cut,) = ready.decode([sentence])
    rests = [tuple("".join(pieces).rpartition(piece)[2]) for pieces in map(_without_end, written)]
    assert [tuple(t.text.replace(" ", "")) for t in cut] == list(dict.fromkeys(rests))
    assert len("".join(map(str, rests))) < len("".join(map(str, written)))
    for translation in cut:
        assert translation.score == pytest.approx(sum(token.log_prob for token in translation.tokens))


def test_of_equal_rests_the_first_stays_where_it_is() -> None:
    """The best translation is that of the best candidate, also where a worse one ends as it does."""
    ready, _, tokenizer = backend("marian", Context(target=False, separator="<brk>"), added=("<brk>",))
    separator, first, second = tokenizer.convert_tokens_to_ids(["<brk>", "a", "b"])
    written = [(5, separator, first), (5, separator, second), (6, separator, first)]
    ranks = (-0.1, -0.2, -0.3)
    candidates = [
        Candidate(tokens, -0.4, (-0.1,) * 4, (), eos_token=0, normalized_score=rank)
        for tokens, rank in zip(written, ranks, strict=True)
    ]
    translations = ready._to_translations(candidates)
    assert [(each.text, each.rank) for each in translations] == [("a", -0.1), ("b", -0.2)]


def _without_end(pieces: list[str]) -> list[str]:
    return [piece for piece in pieces if len(piece) == 1]


def test_context_that_does_not_fit_the_decoder_is_refused() -> None:
    ready, *_ = backend("marian", Context())
    assert ready.prepare_in_context("a", "en", "de", [("b", "c" * 60)]) is None  # it has 64 positions
    assert ready.prepare_in_context("a", "en", "de", [("b" * 60, "c")]) is None
    assert ready.prepare_in_context("a", "en", "de", [("b", "c")]) is not None


def test_a_prompt_has_one_side_of_the_context_before_the_text() -> None:
    source, target = Context(target=False), Context(source=False)
    prompt = build_few_shot_prompt("Jk.", [], "English", "German", TURNS, source)
    assert prompt.endswith("\nEnglish, before: ab cd g\nEnglish: Jk.\nGerman:")
    prompt = build_few_shot_prompt("Jk.", [("One.", "Eins.")], "English", "German", TURNS, target)
    assert prompt.endswith("German: Eins.\n\nGerman, before: fed hi\nEnglish: Jk.\nGerman:")
    last = build_chat_messages("Jk.", [], "English", "German", TURNS, target)[-1]["content"]
    assert last == "The German sentences before it, which are not to be translated: fed hi\n<text>Jk.</text>"
    both = build_chat_messages("Jk.", [], "English", "German", TURNS, Context())
    assert [message["content"] for message in both[-2:]] == ["hi", "<text>Jk.</text>"]
