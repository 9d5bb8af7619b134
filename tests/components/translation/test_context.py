"""What a model of sentences makes of texts with times, and what it reads of the sentences before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from components.errors import ConfigError, ModelError
from components.records import Checkpoint, NBest, Quarantined, Segment, Token, Utterance
from components.translation import checks
from components.translation.config import TranslationConfig
from components.translation.context import ContextTranslator
from components.translation.prepared_text import Sentence
from components.translation.translator import SentenceTranslation, Translator

CHECKPOINT = Checkpoint(reference="echo", path="/x", sha256="0" * 64, architecture="Echo")


class Echo:
    """Translates a sentence into capitals, its second best into the same twice; a token is a letter."""

    max_source = 60

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def prepare(
        self, text: str, source: str, target: str | None, context: Sequence[tuple[str, str]] = ()
    ) -> Sentence:
        turns = "".join(f"{before}={after};" for before, after in context)
        return Sentence(tuple(map(ord, turns + text)), target)

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation]]:
        prompts = ["".join(map(chr, sentence.tokens)) for sentence in sentences]
        self.prompts += prompts
        if any("NaN" in prompt for prompt in prompts):
            raise ModelError("not finite")
        return [
            [candidate(text := prompt.rpartition(";")[2].upper(), -1.0), candidate(f"{text} {text}", -4.0)]
            for prompt in prompts
        ]


def candidate(text: str, score: float) -> SentenceTranslation:
    tokens = (Token(piece=text, log_prob=score / 2), Token(piece="</s>", log_prob=score / 2))
    return SentenceTranslation(text=text, score=score, rank=score, tokens=tokens, finished=True)


def utterance(key: str, text: str) -> Utterance:
    return Utterance(id=key, text=text, source_language="en", target_language="de")


def in_context(backend: Echo, number: int = 2) -> ContextTranslator:
    return ContextTranslator(backend, CHECKPOINT, n_best=1, batch_size=4, context_sentences=number)


def test_every_hypothesis_has_a_segment_per_sentence_with_the_translation_that_it_has_there() -> None:
    segments = (
        Segment(start=1, end=2, text="A dog"),
        Segment(start=3, end=5, text="runs. Hi."),
        Segment(start=6, end=7, text="End"),
    )
    translator = Translator(Echo(), CHECKPOINT, n_best=2, batch_size=4)
    texts = [utterance("a", "A dog runs. Hi. End"), utterance("b", "No times. Here")]
    (timed, plain) = translator.translate(texts, [segments, ()])
    assert isinstance(timed, NBest)
    best, second = timed.hypotheses
    assert [(s.start, round(s.end, 2), s.text, s.mean_log_prob) for s in best.segments] == [
        (1, 4.11, "A DOG RUNS.", -0.5),
        (pytest.approx(4.33, abs=0.01), 5, "HI.", -0.5),
        (6, 7, "END", -0.5),
    ]
    assert best.text == " ".join(s.text for s in best.segments)
    assert second.text == " ".join(s.text for s in second.segments)
    assert [s.mean_log_prob for s in second.segments].count(-2.0) == 1
    assert isinstance(plain, NBest)
    assert plain.best.segments == ()


def test_a_sentence_is_read_after_those_before_it_and_their_best_translations() -> None:
    backend = Echo()
    first, other = in_context(backend).translate(
        [utterance("a", "Aa. Bb. Cc. Dd."), utterance("b", "Xx. Yy.")]
    )
    assert backend.prompts == [
        "Aa.", "Xx.",
        "Aa.=AA.;Bb.", "Xx.=XX.;Yy.",
        "Aa.=AA.;Bb.=BB.;Cc.",
        "Bb.=BB.;Cc.=CC.;Dd.",
    ]  # fmt: skip
    assert isinstance(first, NBest)
    assert first.best.text == "AA. BB. CC. DD."
    assert in_context(Echo()).translate([utterance("b", "Xx. Yy.")]) == [other]  # alone as in a batch


def test_context_that_does_not_fit_is_left_out_the_oldest_first() -> None:
    backend = Echo()
    in_context(backend).translate([utterance("a", f"{'a' * 20}. Bb. {'C' * 40}.")])
    assert backend.prompts[-1] == f"Bb.=BB.;{'C' * 40}."


def test_a_sentence_without_finite_scores_takes_its_own_text_only() -> None:
    bad, good = in_context(Echo()).translate([utterance("a", "Aa. NaN. Bb."), utterance("b", "Xx. Yy. Zz.")])
    assert isinstance(bad, Quarantined)
    assert "sentence 2 of 3" in bad.detail
    assert isinstance(good, NBest)
    assert good.best.text == "XX. YY. ZZ."


def test_a_text_that_alone_goes_on_and_fails_costs_no_other() -> None:
    bad, good = in_context(Echo()).translate([utterance("a", "Aa. NaN."), utterance("b", "Xx.")])
    assert isinstance(bad, Quarantined)
    assert "sentence 2 of 2: not finite" in bad.detail
    assert isinstance(good, NBest)
    with pytest.raises(ModelError, match="not finite"):  # no text has a finite score: the model is at fault
        in_context(Echo()).translate([utterance("a", "NaN.")])


def test_a_model_of_single_sentences_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "resolve_text_model", lambda *_: CHECKPOINT)
    config = TranslationConfig(model="echo", context_sentences=2)
    with pytest.raises(ConfigError, match=r"context_sentences: expected a causal model.*found echo \(Echo\)"):
        checks.validate_model(config, str(Path()), [("en", "de")])


def test_context_is_in_the_key_where_it_is_set() -> None:
    assert "context_sentences" not in TranslationConfig().settings_for_key(set())
    assert TranslationConfig(context_sentences=1).settings_for_key({"model"})["context_sentences"] == 1
