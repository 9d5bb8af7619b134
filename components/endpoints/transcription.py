"""Recordings -> transcripts with times, by the transcription endpoint of a served model."""

from __future__ import annotations

import hashlib
import io
import wave
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.compute.profiling import note_usage
from components.endpoints.answer_form import AnswerForm, NullableCount, TokenForm
from components.endpoints.connection import AnswerError, RefusedError, ServerFaultError, connect
from components.endpoints.endpoint import Endpoint, find_endpoint
from components.errors import AntiphonError, ModelError
from components.served_usage import AUDIO_SECONDS, INPUT_TOKENS, OUTPUT_TOKENS

if TYPE_CHECKING:
    from openai import AsyncOpenAI

SAMPLE_RATE = 16_000
WORDS: dict[str, Any] = {"response_format": "verbose_json", "timestamp_granularities": ["segment", "word"]}
SEGMENTS: dict[str, Any] = {"response_format": "verbose_json", "timestamp_granularities": ["segment"]}
_FORMS: tuple[dict[str, Any], ...] = (
    {"response_format": "verbose_json"},
    {"response_format": "json", "include": ["logprobs"]},
    {"response_format": "json"},
    {},
)
"""What is asked for where a server refuses times: the first that it takes is used."""


class TimedWordForm(AnswerForm):
    """A word with its times in seconds."""

    word: str
    start: float = Field(ge=0)
    end: float = Field(ge=0)


class TimedSegmentForm(AnswerForm):
    """A stretch with its times in seconds, and how sure the model was where it says so."""

    text: str
    start: float = Field(ge=0)
    end: float = Field(ge=0)
    avg_logprob: float | None = None
    tokens: list[int] = Field(default_factory=list)


class _UsageForm(AnswerForm):
    input_tokens: NullableCount = 0
    output_tokens: NullableCount = 0


class Transcript(AnswerForm):
    """The answer of a transcription endpoint; times are from the start of what was sent."""

    text: str
    language: str | None = None
    segments: list[TimedSegmentForm] | None = None
    words: list[TimedWordForm] | None = None
    logprobs: list[TokenForm] | None = None
    usage: _UsageForm | None = None


class Clip(NamedTuple):
    """A stretch of speech: mono 16 kHz samples in [-1, 1], and its language where it is known."""

    samples: NDArray[np.float32]
    language: str | None


class TranscriptionModel:
    """A model behind a transcription endpoint; what it can be asked for is found out once per process.

    Args:
        endpoint: where it is.
        word_times: whether to ask for the times of words; else for those of segments.
    """

    def __init__(self, endpoint: Endpoint, *, word_times: bool = False) -> None:
        self.endpoint = endpoint
        self._connection = connect(endpoint)
        self._forms = (WORDS if word_times else SEGMENTS, *_FORMS)
        self._form: dict[str, Any] | None = None

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript | AnswerError]:
        """Ask for the transcript of each clip; an entry per clip, in order.

        Raises:
            ConfigError: the key or the model is refused.
            TransientError: the server does not answer; what it answered so far is kept.
        """
        self.probe()

        def ask(clip: Clip) -> Transcript:
            wav, fields = to_wav(clip.samples), self._fields(clip.language)
            digest = hashlib.sha256(wav).hexdigest()
            identity = {
                "audio": digest,
                **fields,
                "url": self.endpoint.url,
                "fingerprint": self.endpoint.fingerprint,
            }
            return self._connection.ask(
                lambda client: _transcribe(client, wav, fields), Transcript, identity, self._is_alive
            )

        answers = self._connection.ask_all(ask, clips)
        note_usage(self.endpoint.reference, map(_counts_of, clips, answers))
        return answers

    def probe(self) -> None:
        """Send a second of silence, once per process: the key, the model and what can be asked for.

        Raises:
            ConfigError: the key or the model is refused.
            ModelError: it transcribes nothing.
            TransientError: the server does not answer.
        """
        with self._connection.lock:
            if self._form is not None:
                return
            refusals: list[RefusedError] = []
            for form in self._forms:
                try:
                    self._send_silence(form)
                except RefusedError as refusal:
                    refusals.append(refusal)
                    continue
                except ServerFaultError as fault:
                    raise fault.with_advice("try again, or check its address and log") from None
                self._form = form
                return
            raise ModelError(f"{refusals[-1]}; does it transcribe speech?")

    def _send_silence(self, form: Mapping[str, Any], retries: int | None = None) -> None:
        wav = to_wav(np.zeros(SAMPLE_RATE, np.float32))
        fields = {"model": self.endpoint.model, "temperature": 0, **form}
        self._connection.send(lambda client: _transcribe(client, wav, fields), Transcript, retries=retries)

    def _fields(self, language: str | None) -> dict[str, Any]:
        assert self._form is not None
        stated = {} if language is None else {"language": language}
        return {"model": self.endpoint.model, "temperature": 0, **self._form, **stated}

    def _is_alive(self) -> bool:
        try:
            self._send_silence(self._form or {}, retries=0)
        except AntiphonError:
            return False
        return True


def _counts_of(clip: Clip, answer: Transcript | AnswerError) -> dict[str, float]:
    """Return what is paid for an answer."""
    if isinstance(answer, AnswerError):
        return {}
    counts = {AUDIO_SECONDS: len(clip.samples) / SAMPLE_RATE}
    if answer.usage is not None:
        counts |= {INPUT_TOKENS: answer.usage.input_tokens, OUTPUT_TOKENS: answer.usage.output_tokens}
    return {name: float(count) for name, count in counts.items() if count}


def to_wav(samples: NDArray[np.float32]) -> bytes:
    """Return mono 16 kHz samples in [-1, 1] as a WAV file of 16 bits."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767).round().astype("<i2").tobytes())
    return buffer.getvalue()


async def _transcribe(client: AsyncOpenAI, wav: bytes, fields: Mapping[str, Any]) -> str:
    file = ("speech.wav", wav, "audio/wav")
    answer = await client.audio.transcriptions.with_raw_response.create(file=file, **fields)
    return str(answer.text)


def open_transcription(name: str, *, word_times: bool = False) -> TranscriptionModel:
    """Return the recognizer ``served:NAME``. ConfigError where it is set nowhere."""
    return _open_at(find_endpoint(name), word_times)


@lru_cache(maxsize=32)
def _open_at(endpoint: Endpoint, word_times: bool) -> TranscriptionModel:
    return TranscriptionModel(endpoint, word_times=word_times)
