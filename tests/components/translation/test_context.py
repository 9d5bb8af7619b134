"""What a model of sentences makes of texts with times, and what it reads of the sentences before."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from components.compute.profiling import measure_cost
from components.errors import ConfigError, ModelError
from components.models.architectures import DELIBERATION, EDIT_DIFFUSION
from components.records import Checkpoint, NBest, Quarantined, Segment, Token, Utterance
from components.translation import checks
from components.translation.config import Context, TranslationConfig
from components.translation.context.context import ContextTranslator
from components.translation.segments.prepared_text import Sentence
from components.translation.sentence_translation import SentenceTranslation
from components.translation.translator import Translator

CHECKPOINT = Checkpoint(reference="echo", path="/x", sha256="0" * 64, architecture="Echo")


class Echo:
    """Translates a sentence into capitals, its second best into the same twice; a token is a letter."""

    max_source = 60

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        return Sentence(tuple(map(ord, text)), target)

    def prepare_in_context(
        self, text: str, source: str, target: str | None, turns: Sequence[tuple[str, str]]
    ) -> Sentence | None:
        before = "".join(f"{before}={after};" for before, after in turns)
        return Sentence(tuple(map(ord, before + text)), target) if len(before + text) <= 60 else None

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
    best, second = timed.hypotheses
    assert [(s.start, round(s.end, 2), s.text, s.mean_log_prob) for s in best.segments] == [
        (1, 4.11, "A DOG RUNS.", -0.5),
        (pytest.approx(4.33, abs=0.01), 5, "HI.", -0.5),
        (6, 7, "END", -0.5),
    ]
    assert best.text == " ".join(s.text for s in best.segments)
    assert second.text == " ".join(s.text for s in second.segments)
    assert [s.mean_log_prob for s in second.segments].count(-2.0) == 1
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
    assert first.best.text == "AA. BB. CC. DD."
    assert in_context(Echo()).translate([utterance("b", "Xx. Yy.")]) == [other]  # alone as in a batch


def test_context_that_does_not_fit_is_left_out_the_oldest_first() -> None:
    backend = Echo()
    in_context(backend).translate([utterance("a", f"{'a' * 20}. Bb. {'C' * 40}.")])
    assert backend.prompts[-1] == f"Bb.=BB.;{'C' * 40}."


def test_a_sentence_without_finite_scores_takes_its_own_text_only() -> None:
    bad, good = in_context(Echo()).translate([utterance("a", "Aa. NaN. Bb."), utterance("b", "Xx. Yy. Zz.")])
    assert "sentence 2 of 3" in bad.detail
    assert good.best.text == "XX. YY. ZZ."


def test_a_text_that_alone_goes_on_and_fails_costs_no_other() -> None:
    bad, good = in_context(Echo()).translate([utterance("a", "Aa. NaN."), utterance("b", "Xx.")])
    assert "sentence 2 of 2: not finite" in bad.detail
    assert isinstance(good, NBest)
    with pytest.raises(ModelError, match="not finite"):  # no text has a finite score: the model is at fault
        in_context(Echo()).translate([utterance("a", "NaN.")])


def test_a_document_is_one_text_whatever_its_records() -> None:
    (whole,) = in_context(Echo()).translate([utterance("a", "Aa. Bb. Cc. Dd.")])
    backend = Echo()
    parts = [utterance("a", "Aa. Bb."), utterance("b", "Cc."), utterance("c", "Dd.")]
    parts = [part.model_copy(update={"document": "talk"}) for part in parts]
    other = utterance("z", "Zz.").model_copy(update={"document": "other"})
    outcomes = in_context(backend).translate([*parts, other])
    assert backend.prompts == [
        "Aa.", "Zz.",
        "Aa.=AA.;Bb.",
        "Aa.=AA.;Bb.=BB.;Cc.",
        "Bb.=BB.;Cc.=CC.;Dd.",
    ]  # fmt: skip
    assert " ".join(o.best.text for o in outcomes[:3] if isinstance(o, NBest)) == whole.best.text


def test_what_failed_or_is_in_another_language_is_no_context() -> None:
    backend = Echo()
    texts = [utterance("a", "Aa."), utterance("b", "NaN. Bb."), utterance("c", "Cc.")]
    french = utterance("d", "Dd.").model_copy(update={"source_language": "fr"})
    texts = [each.model_copy(update={"document": "talk"}) for each in (*texts, french)]
    first, bad, third, _ = in_context(backend).translate(texts)
    assert isinstance(bad, Quarantined)
    assert [o.best.text for o in (first, third) if isinstance(o, NBest)] == ["AA.", "CC."]
    assert backend.prompts[-2:] == ["Aa.=AA.;Cc.", "Dd."]


@pytest.mark.parametrize(
    ("architecture", "context", "fault"),
    [
        (EDIT_DIFFUSION, {}, r"context: expected a model that goes on .*found echo \(AntiphonEdit"),
        (DELIBERATION, {}, "context: expected a model that goes on"),
        ("MarianMTModel", {"target": False}, r"context\.separator: expected the separator that echo was"),
        ("MarianMTModel", {"target": False, "separator": "<brk>"}, None),
        ("LlamaForCausalLM", {"target": False}, None),
    ],
)
def test_context_that_a_model_cannot_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, architecture: str, context: dict[str, Any], fault: str | None
) -> None:
    checkpoint = CHECKPOINT.model_copy(update={"architecture": architecture})
    monkeypatch.setattr(checks, "resolve_text_model", lambda *_: checkpoint)
    config = TranslationConfig(model="echo", context=Context(**context))
    with pytest.raises(ConfigError, match=fault) if fault else nullcontext():
        checks.validate_model(config, str(Path()), [("en", "de")])


def test_context_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="expected source, target or both"):
        Context(source=False, target=False)


class Cramped(Echo):
    """Has memory for two sentences at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def decode(self, sentences: Sequence[Sentence]) -> list[list[SentenceTranslation]]:
        self.sizes.append(len(sentences))
        if len(sentences) > 2 or any(ord("#") in sentence.tokens for sentence in sentences):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().decode(sentences)


@pytest.mark.parametrize("context", [False, True])
def test_where_memory_runs_out_the_bytes_are_the_same(context: bool) -> None:
    def make(backend: Echo) -> Translator:
        if context:
            return ContextTranslator(backend, CHECKPOINT, n_best=2, batch_size=8, context_sentences=1)
        return Translator(backend, CHECKPOINT, n_best=2, batch_size=8)

    texts = [utterance(str(n), f"{'Ab' * (n + 1)}. Cd{n}.") for n in range(9)]
    cramped = Cramped()
    translator = make(cramped)
    with measure_cost() as cost:
        outcomes = translator.translate(texts)
    assert [o.model_dump_json() for o in outcomes] == [
        o.model_dump_json() for o in make(Echo()).translate(texts)
    ]
    assert (cramped.sizes[:3], cost.batch_size) == ([8, 4, 2], 2)
    translator.translate(texts)
    assert max(cramped.sizes[4:]) == 2  # what fits is remembered
    good, bad = translator.translate([utterance("a", "Aa."), utterance("b", "B#b.")])
    assert isinstance(good, NBest)
    assert (bad.reason, "too little (CUDA out of memory)" in bad.detail) == ("out of memory", True)
