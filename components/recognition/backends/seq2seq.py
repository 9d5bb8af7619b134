"""The ``seq2seq`` backend: encoder-decoders beside Whisper that read speech, in the one search.

Each architecture is a row of :data:`FAMILIES`, which says how it is told the languages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoProcessor

from components.audio import SAMPLE_RATE, Samples
from components.decoding.candidates import Candidate, member_scores_at, statistics_at
from components.decoding.combiner import Combiner
from components.decoding.config import SearchConfig
from components.decoding.generation_settings import (
    generation_setting,
    logits_processors_of,
    require_same_constraints,
)
from components.decoding.models.seq2seq import Seq2SeqModel
from components.decoding.models.speech_seq2seq import SpeechSeq2SeqScorer
from components.decoding.scorers import digest_of, require_same_vocabulary
from components.decoding.search import search
from components.device import pick_dtype
from components.errors import ConfigError, DataError, ModelError, to_one_line
from components.languages import base_of, is_undetermined, three_letters_of, two_letters_of
from components.models.checkpoints import read_json
from components.models.loading import load_transformers
from components.recognition.config import RecognitionConfig
from components.recognition.windowed.decoder import Request, Window, WindowHypothesis
from components.records import Checkpoint, Token

MAX_SECONDS = 30.0


@dataclass(frozen=True)
class Start:
    """What the decoder begins with.

    Attributes:
        tokens: After the model's own start token.
        forced: The first token that it writes, if that is forced.
    """

    tokens: tuple[int, ...] = ()
    forced: int | None = None


@dataclass(frozen=True)
class Family:
    """How an architecture is told the languages.

    Attributes:
        start: From the processor, the generation settings and a request to what the decoder begins with;
            DataError for a language that the model does not know, or a task that it does not do.
    """

    start: Callable[[Any, Mapping[str, Any], Request], Start]


def _one_language(processor: Any, settings: Mapping[str, Any], request: Request) -> Start:
    """A model of one language, which nothing in its files names."""
    if request.task != "transcribe":
        raise DataError(
            "expected a model that says which languages it translates into, found one that does not"
        )
    return Start()


def _language_codes(processor: Any, settings: Mapping[str, Any], request: Request) -> Start:
    """Speech2Text: the target is the first token, where the tokenizer knows several languages."""
    codes = getattr(processor.tokenizer, "lang_code_to_id", None)
    if not codes:
        return _one_language(processor, settings, request)
    target = two_letters_of(_require_target(request))
    if target not in codes:
        raise _unknown_language(target, codes)
    return Start(forced=int(codes[target]))


def _seamless(processor: Any, settings: Mapping[str, Any], request: Request) -> Start:
    """SeamlessM4T: the target's token follows the start token."""
    codes: Mapping[str, int] = settings.get("text_decoder_lang_to_code_id") or {}
    target = _require_target(request)
    for code in (target, *three_letters_of(target), base_of(target)):
        if code in codes:
            return Start(tokens=(int(codes[code]),))
    raise _unknown_language(target, codes)


def _canary(processor: Any, settings: Mapping[str, Any], request: Request) -> Start:
    """Canary: both languages in the prompt of the processor's template."""
    target = two_letters_of(_require_target(request))
    source = target if is_undetermined(request.source) else two_letters_of(request.source)
    silence = np.zeros(SAMPLE_RATE, np.float32)
    try:
        prompts = processor.apply_transcription_request(
            audio=[silence], source_language=source, target_language=target, tokenize=False
        )
    except ValueError as error:
        raise DataError(to_one_line(error, 200)) from None
    inputs = processor(audio=[silence], text=prompts, sampling_rate=SAMPLE_RATE)
    return Start(tokens=tuple(inputs["decoder_input_ids"][0].tolist()))


def _cohere(processor: Any, settings: Mapping[str, Any], request: Request) -> Start:
    """Cohere's recognizer: the language in the decoder's prompt; it does not translate."""
    if request.task != "transcribe":
        raise DataError("expected a model that translates, found one that transcribes only")
    try:
        return Start(tokens=tuple(processor.get_decoder_prompt_ids(two_letters_of(_require_target(request)))))
    except ValueError as error:
        raise DataError(to_one_line(error, 200)) from None


FAMILIES: dict[str, Family] = {
    "MoonshineForConditionalGeneration": Family(_one_language),
    "MoonshineStreamingForConditionalGeneration": Family(_one_language),
    "Speech2TextForConditionalGeneration": Family(_language_codes),
    "SeamlessM4TModel": Family(_seamless),
    "SeamlessM4TForSpeechToText": Family(_seamless),
    "SeamlessM4Tv2Model": Family(_seamless),
    "SeamlessM4Tv2ForSpeechToText": Family(_seamless),
    "CanaryForConditionalGeneration": Family(_canary),
    "CohereAsrForConditionalGeneration": Family(_cohere),
}
"""Architecture -> how it is told the languages."""


def _require_target(request: Request) -> str:
    if request.target is None:
        raise DataError("expected a target language, found none: say to: LANGUAGE")
    if is_undetermined(request.target):
        raise DataError(
            "expected the language that is spoken, which this model does not find out, found none: set "
            "source_language"
        )
    return request.target


def _unknown_language(code: str, codes: Mapping[str, int]) -> DataError:
    names = sorted(codes)
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return DataError(f"expected a language that the model writes ({shown}), found {code!r}")


@dataclass(frozen=True)
class SpeechSeq2SeqModel:
    """A loaded model with what its files say of languages.

    Attributes:
        ready: The model, prepared for the search.
        processor: Its feature extractor and tokenizer.
        generation_settings: As ``generation_config.json`` has them: transformers drops those that it does
            not know.
        architecture: Key of :data:`FAMILIES`.
    """

    ready: Seq2SeqModel
    processor: Any
    generation_settings: Mapping[str, Any]
    architecture: str

    def find_start(self, request: Request) -> Start:
        """What the decoder begins with. DataError."""
        return FAMILIES[self.architecture].start(self.processor, self.generation_settings, request)

    def extract_features(self, samples: Samples) -> dict[str, Tensor]:
        """What the encoder reads of mono 16 kHz ``samples``, as a batch of one."""
        features = self.processor.feature_extractor(
            samples, sampling_rate=SAMPLE_RATE, return_tensors="pt", return_attention_mask=True
        )
        return {name: value for name, value in features.items() if isinstance(value, Tensor)}


class SpeechSeq2SeqDecoder:
    """A :class:`~components.recognition.windowed.decoder.WindowDecoder`: one search over one or more models.

    Args:
        models: The members, of one architecture's tokens, by name.
        search_config: The search.
        combiner: Mixes their distributions; None for one.

    Raises:
        ConfigError: The members have different vocabularies, or force or forbid different tokens.
    """

    max_seconds = MAX_SECONDS
    language: str | None = None

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
    """The decoder's first tokens: the model's own start token, unless those given begin with it."""
    return given if given[: len(own)] == own else (*own, *given)


def to_window_hypothesis(
    tokenizer: Any, candidate: Candidate, members: Sequence[str] = (), text: str | None = None
) -> WindowHypothesis:
    """A candidate of the search as a text of a window.

    Args:
        tokenizer: Writes the text and the tokens' pieces.
        candidate: What the search returned.
        members: Names of an ensemble's members, in order: tokens keep their scores and weights.
        text: Overrides the plain detokenization.
    """
    ids = [*candidate.tokens, *(() if candidate.eos_token is None else (candidate.eos_token,))]
    if text is None:
        text = tokenizer.decode(list(candidate.tokens), skip_special_tokens=True)
    return WindowHypothesis(
        text=" ".join(text.split()),
        score=candidate.score,
        rank=candidate.normalized_score,
        tokens=tuple(
            Token(
                piece=str(piece),
                log_prob=value,
                members=member_scores_at(members, candidate.member_log_probs, position),
                weights=member_scores_at(members, candidate.member_weights, position),
                **statistics_at(candidate, position),
            )
            for position, (piece, value) in enumerate(
                zip(tokenizer.convert_ids_to_tokens(ids), candidate.log_probs, strict=True)
            )
        ),
        finished=candidate.finished,
    )


def search_config_of(config: RecognitionConfig) -> SearchConfig:
    """The search's settings in a recognizer's."""
    return SearchConfig(
        beam_size=config.beam_size,
        n_best=min(config.n_best, config.beam_size),
        max_new_tokens=config.max_tokens,
        length_penalty=config.length_penalty,
        entropies=config.entropies,
    )


def load(checkpoint: Checkpoint, config: RecognitionConfig, device: torch.device) -> SpeechSeq2SeqModel:
    """The model of ``checkpoint`` on ``device``. ConfigError, ModelError."""
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
    settings, problems = _read_generation_settings(checkpoint), []
    for request in requests:
        try:
            FAMILIES[checkpoint.architecture].start(processor, settings, request)
        except DataError as error:
            problems.append(str(error))
        else:
            return
    if problems:
        raise ConfigError(f"{checkpoint.reference}: {problems[0]}")
