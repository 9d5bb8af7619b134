"""The ``seq2seq`` backend: encoder-decoders beside Whisper that read speech, in the one search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoProcessor

from components.audio import SAMPLE_RATE, Samples
from components.compute.device import pick_dtype
from components.decoding.candidates import Candidate, tokens_of
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.mixing.same_constraints import require_same_constraints
from components.decoding.models.generation_settings import generation_setting, logits_processors_of
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.models.speech_seq2seq import SpeechSeq2SeqScorer
from components.decoding.scorers import digest_of, require_same_vocabulary
from components.decoding.searches.search import search
from components.errors import DataError, ModelError, to_one_line
from components.models.checkpoints import read_json
from components.models.loaders.loading import load_transformers
from components.recognition.backends.seq2seq.starts import STARTS, Start
from components.recognition.backends.windowed import require_possible
from components.recognition.config import RecognitionConfig
from components.recognition.windowed.decoder import Window, WindowHypothesis
from components.recognition.windowed.nbest import NBestDecoder
from components.recognition.windowed.request import Request
from components.records import Checkpoint

MAX_SECONDS = 30.0


@dataclass(frozen=True)
class SpeechSeq2SeqModel:
    """A loaded model with what its files say of languages.

    Attributes:
        ready: the model, prepared for the search.
        processor: its feature extractor and tokenizer.
        generation_settings: as ``generation_config.json`` has them: transformers drops those that it does
            not know.
        architecture: key of :data:`.seq2seq_starts.STARTS`.
    """

    ready: Seq2SeqModel
    processor: Any
    generation_settings: Mapping[str, Any]
    architecture: str

    def find_start(self, request: Request) -> Start:
        """Return what the decoder begins with. DataError."""
        return STARTS[self.architecture](self.processor, self.generation_settings, request)

    def extract_features(self, samples: Samples) -> dict[str, Tensor]:
        """Return what the encoder reads of mono 16 kHz ``samples``, as a batch of one."""
        features = self.processor.feature_extractor(
            samples,
            sampling_rate=SAMPLE_RATE,
            return_tensors="pt",
            return_attention_mask=True,
            **self._padding(),
        )
        return {name: value for name, value in features.items() if isinstance(value, Tensor)}

    def _padding(self) -> dict[str, Any]:
        """To whole frames, for an encoder that cuts the samples into frames itself (MoonshineStreaming)."""
        encoder = getattr(self.ready.model.config, "encoder_config", None)
        frame_ms = getattr(encoder, "frame_ms", None)
        if frame_ms is None:
            return {}
        return {"padding": True, "pad_to_multiple_of": round(SAMPLE_RATE * frame_ms / 1000)}


class SpeechSeq2SeqDecoder(NBestDecoder):
    """A :class:`~components.recognition.windowed.decoder.WindowDecoder`: one search over one or more models.

    Args:
        models: the members, of one architecture's tokens, by name.
        search_config: the search.
        combiner: mixes their distributions; None for one.

    Raises:
        ConfigError: The members have different vocabularies, or force or forbid different tokens.
    """

    max_seconds = MAX_SECONDS

    def __init__(
        self,
        models: Mapping[str, SpeechSeq2SeqModel],
        search_config: SearchConfig,
        combiner: Combiner | None = None,
    ) -> None:
        require_same_vocabulary([(name, each.ready.vocabulary) for name, each in models.items()])
        require_same_constraints([(name, each.ready.model) for name, each in models.items()])
        names = list(models)
        active = () if combiner is None else combiner.active_members(len(names))
        self._models, self._names = list(models.values()), tuple(names[index] for index in active)
        self._search, self._combiner = search_config, combiner
        self._tokenizer = self._models[0].processor.tokenizer

    def check(self, request: Request) -> None:
        """See :class:`WindowDecoder`."""
        starts = {model.find_start(request) for model in self._models}
        if len(starts) > 1:
            raise DataError("expected members that are told a language by the same tokens, found others")

    def decode(self, windows: Sequence[Window]) -> list[list[WindowHypothesis]]:
        """See :class:`WindowDecoder`."""
        scorers = []
        start = self._models[0].find_start(windows[0].request)
        for model in self._models:
            recordings = [model.extract_features(window.samples) for window in windows]
            tokens = start_tokens(model.ready.start, start.tokens)
            scorers.append(SpeechSeq2SeqScorer(model.ready, recordings, tokens))
        processors = logits_processors_of(self._models[0].ready.model, forced_bos=start.forced)
        nbests = search(scorers, self._search, logits_processors=processors, combiner=self._combiner)
        return [[to_window_hypothesis(self._tokenizer, c, self._names) for c in nbest] for nbest in nbests]


def start_tokens(own: tuple[int, ...], given: tuple[int, ...]) -> tuple[int, ...]:
    """Return the decoder's first tokens: the model's own start token, unless those given begin with it."""
    return given if given[: len(own)] == own else (*own, *given)


def to_window_hypothesis(
    tokenizer: Any, candidate: Candidate, members: Sequence[str] = (), text: str | None = None
) -> WindowHypothesis:
    """Return a candidate of the search as a text of a window.

    Args:
        tokenizer: writes the text and the tokens' pieces.
        candidate: what the search returned.
        members: names of an ensemble's members, in order: tokens keep their scores and weights.
        text: overrides the plain detokenization.
    """
    if text is None:
        text = tokenizer.decode(list(candidate.tokens), skip_special_tokens=True)
    return WindowHypothesis(
        text=" ".join(text.split()),
        score=candidate.score,
        rank=candidate.normalized_score,
        tokens=tokens_of(candidate, tokenizer.convert_ids_to_tokens(candidate.all_tokens), members),
        finished=candidate.finished,
    )


def search_config_of(config: RecognitionConfig) -> SearchConfig:
    """Return the search's settings in a recognizer's."""
    return SearchConfig(
        beam_size=config.beam_size,
        n_best=min(config.n_best, config.beam_size),
        max_new_tokens=config.max_tokens,
        length_penalty=config.length_penalty,
        entropies=config.entropies,
    )


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> SpeechSeq2SeqModel:
    """Return the model of ``checkpoint`` on ``device``. ConfigError, ModelError."""
    model, processor = load_transformers(checkpoint, "speech", device, pick_dtype(config.dtype, device))
    rate = processor.feature_extractor.sampling_rate
    if rate != SAMPLE_RATE:
        raise ModelError(
            f"{checkpoint.reference}: expected a model for audio of {SAMPLE_RATE} Hz, found {rate} Hz"
        )
    if generation_setting(model, "decoder_start_token_id") is None:  # as transformers' generate (Cohere)
        model.generation_config.decoder_start_token_id = generation_setting(model, "bos_token_id")
    digest = digest_of(processor.tokenizer.get_vocab())
    ready = Seq2SeqModel(model, digest, checkpoint.reference)
    ready.shares_cache = False  # their decoders' positions and masks were not tried with rows that share one
    settings = _read_generation_settings(checkpoint)
    return SpeechSeq2SeqModel(ready, processor, settings, checkpoint.architecture)


def build_decoder(
    loaded: SpeechSeq2SeqModel, checkpoint: Checkpoint, config: RecognitionConfig
) -> SpeechSeq2SeqDecoder:
    """Return the decoder of what :func:`load` loaded."""
    return SpeechSeq2SeqDecoder({checkpoint.reference: loaded}, search_config_of(config))


def _read_generation_settings(checkpoint: Checkpoint) -> Mapping[str, Any]:
    path = Path(checkpoint.path) / "generation_config.json"
    return read_json(path) if path.is_file() else {}


def check_requests(checkpoint: Checkpoint, requests: Sequence[Request]) -> None:
    """Refuse, by a model's files alone, requests none of which it can do.

    Raises:
        ConfigError: It knows none of the languages, or does not translate.
        ModelError: Its processor cannot be read.
    """
    try:
        safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        processor = AutoProcessor.from_pretrained(checkpoint.path, **safe)  # type: ignore[no-untyped-call]
    except Exception as error:  # transformers raises whatever its many readers raise
        raise ModelError(
            f"{checkpoint.reference}: expected a processor (preprocessor_config.json and a tokenizer), found "
            f"none that loads ({to_one_line(error, 200)})"
        ) from error
    start, settings = STARTS[checkpoint.architecture], _read_generation_settings(checkpoint)
    require_possible(checkpoint, requests, lambda request: start(processor, settings, request))
