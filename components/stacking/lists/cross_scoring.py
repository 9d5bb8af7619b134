"""Cross-scoring: the texts of two systems with different vocabularies, each scored by both.

The score of a text under a system is its forced log-probability per token of that system, so that
vocabularies of different sizes can be compared; the fused score is (1 - w) first + w second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from components import audio
from components.compute.layers.kernels import Arithmetic
from components.compute.openai_whisper import Whisper, find_language
from components.decoding.candidates import Candidate
from components.decoding.models.causal import CausalModel
from components.decoding.models.whisper import WhisperTokenScorer
from components.decoding.models.whisper_decoder import WhisperDecoder
from components.decoding.scorers import TokenScorer
from components.decoding.searches.forced_scoring import force_decode
from components.errors import ConfigError, DataError
from components.models import resolve
from components.models.architectures import CAUSAL
from components.recognition.whisper.backend import ModelDimensions
from components.recognition.whisper.encoder import WhisperEncoder
from components.recognition.whisper.windows.features import WINDOW_FRAMES, compute_log_mel, cut_window
from components.records import Hypothesis, NBest, Utterance
from components.stacking.methods import load_text_model
from components.text.languages import two_letters_of
from components.translation.backends.causal.model import CausalBackend
from components.translation.config import TranslationConfig, search_config_of
from components.translation.factory import load_resident

ScoreTexts = Callable[[Utterance, Sequence[str]], list[float]]
"""(utterance, texts) -> the forced log-probability per token (nats) of each text."""


def force_texts(scorers: Sequence[TokenScorer], tokenizer: Any, texts: Sequence[str]) -> list[Candidate]:
    """Score given translations: each utterance's text is forced through the scorers' mixture.

    Args:
        scorers: prepared for as many utterances as there are texts.
        tokenizer: of the scorers' vocabulary.
        texts: one translation per utterance, whatever system wrote it.

    Returns:
        One candidate per text, with its log-probability per token, end of sequence included.
    """
    sequences = [tuple(tokenizer(text_target=text).input_ids) for text in texts]
    return force_decode(scorers, sequences)


def build_text_scorer(
    reference: str, store: str | None = None, device: str = "auto", dtype: str = "auto"
) -> ScoreTexts:
    """Build the scorer of a model that reads ``text``: a translation model, or a prompted causal one.

    Args:
        reference: model reference.
        store: where ``store:`` references are looked up.
        device: as in the settings.
        dtype: as in the settings.

    Raises:
        ModelError: the model cannot be loaded.
    """
    if resolve(reference, store).architecture.endswith(CAUSAL):
        settings = TranslationConfig.model_validate({"model": reference, "device": device, "dtype": dtype})
        return _build_prompted_scorer(settings, store)
    model, tokenizer, _ = load_text_model(reference, store, device, dtype)

    def score(utterance: Utterance, texts: Sequence[str]) -> list[float]:
        ids = torch.tensor([tokenizer(utterance.text).input_ids]).repeat(len(texts), 1)
        if (length := ids.shape[1]) > model.positions:
            raise DataError(f"expected a transcript of at most {model.positions} tokens, found {length}")
        scorer: TokenScorer = model.build_scorer(
            input_ids=ids.to(model.model.device), attention_mask=torch.ones_like(ids).to(model.model.device)
        )
        return [candidate.normalized_score for candidate in force_texts([scorer], tokenizer, texts)]

    return score


def _build_prompted_scorer(config: TranslationConfig, store: str | None) -> ScoreTexts:
    _, model, tokenizer = load_resident(config.model, config, store)
    assert isinstance(model, CausalModel)
    backend = CausalBackend(model, tokenizer, search_config_of(config), prompt=config.prompt)

    def score(utterance: Utterance, texts: Sequence[str]) -> list[float]:
        prompt = backend.prepare(utterance.text or "", utterance.source_language, utterance.target_language)
        answers = [backend.tokenize_answer(text) for text in texts]
        scorer = model.build_scorer([prompt.tokens] * len(texts))
        return [
            candidate.score / len(answer)
            for candidate, answer in zip(force_decode([scorer], answers), answers, strict=True)
        ]

    return score


class WhisperTextScorer:
    """Scores English texts as translations of at most 30 s of speech, by Whisper's ``translate`` task.

    Raises:
        ConfigError: the Whisper is an English-only one.
    """

    def __init__(self, model: Whisper, arithmetic: Arithmetic = "float32") -> None:
        dims = model.dims
        self._encoder, self._decoder = WhisperEncoder(model, arithmetic), WhisperDecoder(model, arithmetic)
        self._dims = ModelDimensions(dims.n_mels, dims.n_text_ctx, dims.n_vocab)
        if not self._dims.is_multilingual:
            raise ConfigError(
                "expected a multilingual Whisper to score translations, found an English-only one"
            )

    @torch.inference_mode()
    def __call__(self, utterance: Utterance, texts: Sequence[str]) -> list[float]:
        """Return the log-probability per token (nats) of each text.

        Raises:
            ConfigError: the utterance has no audio, or more than one window of it, or is in a language that
                the model does not know.
        """
        if utterance.audio is None or utterance.audio.seconds * 100 > WINDOW_FRAMES:
            raise ConfigError(
                f"{utterance.id}: expected at most 30 s of audio to score by, found none or more"
            )
        code = find_language(two_letters_of(utterance.source_language), self._dims.num_languages)
        if code is None:
            raise ConfigError(
                f"{utterance.id}: expected speech in a language that Whisper knows, found "
                f"{utterance.source_language!r}"
            )
        mel = cut_window(compute_log_mel(audio.decode(utterance.audio), self._dims.n_mels), 0)[None]
        # The audio is encoded once, and its keys and values copied for every text.
        cross = [
            pair.repeat(1, len(texts), 1, 1, 1)
            for pair in self._decoder.cross_attention_states(self._encoder(mel))
        ]
        tokenizer = self._dims.get_tokenizer(code, "translate")
        prompt = torch.tensor([tokenizer.sot_sequence_including_notimestamps]).repeat(len(texts), 1)
        scorer = WhisperTokenScorer(self._decoder, tokenizer, cross, prompt.to(cross[0].device))
        sequences = [(*tokenizer.encode(" " + text.strip()), tokenizer.eot) for text in texts]
        return [candidate.normalized_score for candidate in force_decode([scorer], sequences)]


def fuse_nbests(
    utterance: Utterance, lists: tuple[NBest, NBest], scorers: tuple[ScoreTexts, ScoreTexts], weight: float
) -> NBest:
    """Merge two n-best lists and order them by the fused score, best first.

    Each hypothesis gets the features ``first``, ``second`` (its score under either system) and ``fused``.
    Equal texts become one hypothesis, the first list's. A scorer of weight 0 is not run.

    Args:
        utterance: whose lists they are; the scorers read it.
        lists: of the first and the second system.
        scorers: of the first and the second system.
        weight: of the second scorer, in [0, 1].

    Raises:
        ConfigError: the weight is out of range, or a scorer cannot take the utterance.
    """
    if not 0 <= weight <= 1:
        raise ConfigError(f"expected a coefficient between 0 and 1, found {weight}")
    by_text: dict[str, Hypothesis] = {}
    for hypothesis in (*lists[0].hypotheses, *lists[1].hypotheses):
        by_text.setdefault(hypothesis.text, hypothesis)
    texts = [text for text in by_text if text.strip()]
    if not texts:
        return lists[0]
    weights = {"first": 1 - weight, "second": weight}
    scores = {
        name: scorer(utterance, texts)
        for (name, share), scorer in zip(weights.items(), scorers, strict=True)
        if share > 0
    }
    fused_hypotheses = []
    for i, text in enumerate(texts):
        features = {name: values[i] for name, values in scores.items()}
        fused = sum(weights[name] * value for name, value in features.items())
        update = {"features": {**by_text[text].features, **features, "fused": fused}}
        fused_hypotheses.append(by_text[text].model_copy(update=update))
    fused_hypotheses.sort(key=lambda hypothesis: -hypothesis.features["fused"])
    return NBest(utterance_id=utterance.id, hypotheses=tuple(fused_hypotheses), language=lists[0].language)
