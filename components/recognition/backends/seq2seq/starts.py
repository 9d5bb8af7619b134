"""How encoder-decoders of speech beside Whisper are told the languages: a row of :data:`STARTS` each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.audio import SAMPLE_RATE
from components.errors import DataError, to_one_line
from components.recognition.windowed.request import Request
from components.text.languages import base_of, is_undetermined, three_letters_of, two_letters_of


@dataclass(frozen=True)
class Start:
    """What the decoder begins with.

    Attributes:
        tokens: after the model's own start token.
        forced: the first token that it writes, if that is forced.
    """

    tokens: tuple[int, ...] = ()
    forced: int | None = None


def _one_language(processor: Any, settings: Mapping[str, Any], request: Request) -> Start:
    """Return a model of one language, which nothing in its files names."""
    if request.task != "transcribe":
        raise DataError(
            "expected a model that says which languages it translates into, found one that does not"
        )
    return Start()


def _language_codes(processor: Any, settings: Mapping[str, Any], request: Request) -> Start:
    """Return Speech2Text: the target is the first token, where the tokenizer knows several languages."""
    codes = getattr(processor.tokenizer, "lang_code_to_id", None)
    if not codes:
        return _one_language(processor, settings, request)
    target = two_letters_of(_require_target(request))
    if target not in codes:
        raise _unknown_language(target, codes)
    return Start(forced=int(codes[target]))


def _seamless(processor: Any, settings: Mapping[str, Any], request: Request) -> Start:
    """Return SeamlessM4T: the target's token follows the start token."""
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
    """Return cohere's recognizer: the language in the decoder's prompt; it does not translate."""
    if request.task != "transcribe":
        raise DataError("expected a model that translates, found one that transcribes only")
    try:
        return Start(tokens=tuple(processor.get_decoder_prompt_ids(two_letters_of(_require_target(request)))))
    except ValueError as error:
        raise DataError(to_one_line(error, 200)) from None


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


STARTS: dict[str, Callable[[Any, Mapping[str, Any], Request], Start]] = {
    "MoonshineForConditionalGeneration": _one_language,
    "MoonshineStreamingForConditionalGeneration": _one_language,
    "Speech2TextForConditionalGeneration": _language_codes,
    "SeamlessM4TModel": _seamless,
    "SeamlessM4TForSpeechToText": _seamless,
    "SeamlessM4Tv2Model": _seamless,
    "SeamlessM4Tv2ForSpeechToText": _seamless,
    "CanaryForConditionalGeneration": _canary,
    "CohereAsrForConditionalGeneration": _cohere,
}
"""Architecture -> from the processor, the generation settings and a request to what the decoder begins with.

DataError for a language that the model does not know, or a task that it does not do.
"""
