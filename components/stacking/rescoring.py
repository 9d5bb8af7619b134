"""Late fusion of systems whose vocabularies differ: their n-best lists pooled, every text scored by both.

A text's score under a system is its forced log-probability per token of that system, so that vocabularies of
different sizes can be compared; the fused score is (1 - w) first + w second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from whisper.model import Whisper

from components import audio
from components.decoding.causal import CausalModel
from components.decoding.members import Member
from components.decoding.search import force
from components.decoding.whisper import WhisperDecoder, WhisperMember
from components.errors import ConfigError
from components.kernels import Arithmetic
from components.models import resolve
from components.models.architectures import CAUSAL
from components.recognition.encoder import WhisperEncoder
from components.recognition.engine import Shape
from components.recognition.features import WINDOW_FRAMES, log_mel, window
from components.records import Hypothesis, NBest, Utterance
from components.stacking.scoring import forced
from components.stacking.systems import text_model_of
from components.translation.causal import CausalEngine
from components.translation.config import TranslationConfig
from components.translation.factory import resident
from components.translation.searching import search_of

Scorer = Callable[[Utterance, Sequence[str]], list[float]]
"""Of one utterance: the forced log-probability per token (nats) of each of the texts."""


def text_scorer(reference: str, store: str | None = None, device: str = "auto") -> Scorer:
    """A model that reads the utterance's ``text``: a translation model, or a prompted causal one."""
    if resolve(reference, store).architecture.endswith(CAUSAL):
        return _prompted_scorer(TranslationConfig(model=reference, device=device), store)
    ready, tokenizer, _ = text_model_of(reference, store, device)

    def score(utterance: Utterance, texts: Sequence[str]) -> list[float]:
        ids = torch.tensor([tokenizer(utterance.text).input_ids]).repeat(len(texts), 1)
        member: Member = ready.member(
            input_ids=ids.to(ready.model.device), attention_mask=torch.ones_like(ids).to(ready.model.device)
        )
        return [candidate.rank for candidate in forced([member], tokenizer, texts)]

    return score


def _prompted_scorer(config: TranslationConfig, store: str | None) -> Scorer:
    _, ready, tokenizer = resident(config.model, config, store)
    assert isinstance(ready, CausalModel)
    engine = CausalEngine(ready, tokenizer, search_of(config), prompt=config.prompt)

    def score(utterance: Utterance, texts: Sequence[str]) -> list[float]:
        prompt = engine.prepare(utterance.text or "", utterance.source_language, utterance.target_language)
        answers = [engine.answer(text) for text in texts]
        member = ready.member([prompt.tokens] * len(texts))
        return [
            candidate.score / len(answer)
            for candidate, answer in zip(force([member], answers), answers, strict=True)
        ]

    return score


class WhisperScorer:
    """Whisper's ``translate`` task: how probable an English text is for the sound (at most one window)."""

    def __init__(self, model: Whisper, arithmetic: Arithmetic = "float32") -> None:
        dims = model.dims
        self._encoder, self._decoder = WhisperEncoder(model, arithmetic), WhisperDecoder(model, arithmetic)
        self._shape = Shape(dims.n_mels, dims.n_text_ctx, dims.n_vocab)
        if not self._shape.multilingual:
            raise ConfigError(
                "expected a multilingual Whisper to score translations, found an English-only one"
            )

    @torch.inference_mode()
    def __call__(self, utterance: Utterance, texts: Sequence[str]) -> list[float]:
        """See :data:`Scorer`. ConfigError where there is no audio, or more than a window."""
        if utterance.audio is None or utterance.audio.seconds * 100 > WINDOW_FRAMES:
            raise ConfigError(
                f"{utterance.id}: expected at most 30 s of audio to score by, found none or more"
            )
        mel = window(log_mel(audio.decode(utterance.audio), self._shape.n_mels), 0)[None]
        # Once for the sound, then copied for every text.
        cross = [pair.repeat(1, len(texts), 1, 1, 1) for pair in self._decoder.cross(self._encoder(mel))]
        tokenizer = self._shape.tokenizer(utterance.source_language, "translate")
        prompt = torch.tensor([tokenizer.sot_sequence_including_notimestamps]).repeat(len(texts), 1)
        member = WhisperMember(self._decoder, tokenizer, cross, prompt.to(cross[0].device))
        sequences = [(*tokenizer.encode(" " + text.strip()), tokenizer.eot) for text in texts]
        return [candidate.rank for candidate in force([member], sequences)]


def pooled(
    utterance: Utterance, lists: tuple[NBest, NBest], scorers: tuple[Scorer, Scorer], weight: float
) -> NBest:
    """Both lists as one, best first by the fused score; ``weight`` in [0, 1] is the second scorer's.

    Each hypothesis keeps what its own system said and gets the features ``first``, ``second`` and ``fused``.
    Equal texts are one; a scorer of weight 0 is not asked.
    """
    if not 0 <= weight <= 1:
        raise ConfigError(f"expected a coefficient between 0 and 1, found {weight}")
    found: dict[str, Hypothesis] = {}
    for hypothesis in (*lists[0].hypotheses, *lists[1].hypotheses):
        found.setdefault(hypothesis.text, hypothesis)
    texts = [text for text in found if text.strip()]
    if not texts:
        return lists[0]
    weights = {"first": 1 - weight, "second": weight}
    scores = {
        name: scorer(utterance, texts)
        for (name, share), scorer in zip(weights.items(), scorers, strict=True)
        if share > 0
    }
    made = []
    for i, text in enumerate(texts):
        features = {name: values[i] for name, values in scores.items()}
        fused = sum(weights[name] * value for name, value in features.items())
        update = {"features": {**found[text].features, **features, "fused": fused}}
        made.append(found[text].model_copy(update=update))
    made.sort(key=lambda hypothesis: -hypothesis.features["fused"])
    return NBest(utterance_id=utterance.id, hypotheses=tuple(made), language=lists[0].language)
