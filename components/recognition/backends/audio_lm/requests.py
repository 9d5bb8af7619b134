"""How audio language models are asked: a row of :data:`MODELS` each."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import soundfile
import torch

from components.audio import SAMPLE_RATE, Samples
from components.errors import DataError, to_one_line


def _ask_by_template(processor: Any, samples: Samples, text: str) -> Any:
    """Return the sound and text as parts of the user's turn, as most chat templates have them."""
    parts = [{"type": "audio", "audio": samples}, {"type": "text", "text": text}]
    return processor.apply_chat_template(
        [{"role": "user", "content": parts}],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
    )


def _ask_by_token(processor: Any, samples: Samples, text: str) -> Any:
    """Return the sound's token before the text of the user's turn, as Granite's template has it."""
    messages = [{"role": "user", "content": f"{processor.audio_token}{text}"}]
    prompt = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return processor(text=prompt, audio=torch.from_numpy(samples.copy())[None], return_tensors="pt")


def _ask_by_file(processor: Any, samples: Samples, text: str) -> Any:
    """Return the sound as a WAV file in base64, as the tokenizer of Voxtral takes it."""
    data = io.BytesIO()
    soundfile.write(data, samples, SAMPLE_RATE, format="wav")
    parts = [
        {"type": "audio", "base64": base64.b64encode(data.getvalue()).decode("ascii")},
        {"type": "text", "text": text},
    ]
    return processor.apply_chat_template([{"role": "user", "content": parts}], return_tensors="pt")


def _request_transcript(processor: Any, samples: Samples, language: str | None) -> Any:
    """Return the request that the model was trained with, by its processor."""
    return processor.apply_transcription_request(audio=[samples], return_tensors="pt")


def _request_transcript_in(processor: Any, samples: Samples, language: str | None) -> Any:
    """Return the same with the language, where it is declared."""
    try:
        return processor.apply_transcription_request(audio=[samples], language=language, return_tensors="pt")
    except ValueError as error:
        raise DataError(to_one_line(error, 200)) from None


def _request_of_voxtral(processor: Any, samples: Samples, language: str | None) -> Any:
    """Voxtral's request; it wants a name of the model, which it does not use."""
    return processor.apply_transcription_request(
        audio=[samples], model_id="voxtral", language=language, sampling_rate=SAMPLE_RATE, format=["wav"]
    )


def _strip_marker(text: str) -> str:
    """Return Qwen3-ASR's answer without the language that it says first."""
    return text.rpartition("<asr_text>")[2]


@dataclass(frozen=True)
class AudioLanguageModelRow:
    """How an architecture is asked.

    Attributes:
        ask: makes the model's inputs of processor, samples and the text of the user's turn; None for a model
            that answers no questions.
        request: makes those of a transcription (with the language's two letters, if it is declared), where
            the model was trained with a request of its own; None: it is asked in words.
        clean: applied to the text that it answers.
        module: what its processor needs to be installed, as Python imports it.
        package: the package that brings ``module``.
    """

    ask: Callable[[Any, Samples, str], Any] | None = _ask_by_template
    request: Callable[[Any, Samples, str | None], Any] | None = None
    clean: Callable[[str], str] = str
    module: str = ""
    package: str = ""


_GRANITE_SPEECH = AudioLanguageModelRow(ask=_ask_by_token, module="torchaudio", package="torchaudio")
MODELS: dict[str, AudioLanguageModelRow] = {
    "Qwen2AudioForConditionalGeneration": AudioLanguageModelRow(),
    "GraniteSpeechForConditionalGeneration": _GRANITE_SPEECH,
    "GraniteSpeechPlusForConditionalGeneration": _GRANITE_SPEECH,
    "VoxtralForConditionalGeneration": AudioLanguageModelRow(
        ask=_ask_by_file,
        request=_request_of_voxtral,
        module="mistral_common",
        package="mistral-common[audio]",
    ),
    "AudioFlamingo3ForConditionalGeneration": AudioLanguageModelRow(),
    "GlmAsrForConditionalGeneration": AudioLanguageModelRow(request=_request_transcript),
    "Qwen3ASRForConditionalGeneration": AudioLanguageModelRow(
        ask=None, request=_request_transcript_in, clean=_strip_marker
    ),
}
"""Architecture -> how it is asked."""
