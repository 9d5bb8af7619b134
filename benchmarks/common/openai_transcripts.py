"""What openai-whisper's ``transcribe`` writes with Antiphon's defaults, stored on disk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from benchmarks.common.cached_recognition import cached
from benchmarks.common.recordings import decode_audio
from components.models import resolve
from components.records import Utterance


def transcribe_with_openai(model: str, utterances: Sequence[Utterance]) -> dict[str, list[Any]]:
    """Greedy, float32, language given, no previous text.

    Returns:
        ``texts`` and ``temperatures``: of each recording, in order, the highest of its segments.
    """
    digest = resolve(model).sha256
    rows = [
        cached(
            "openai",
            [digest, u.audio.sha256 if u.audio else "", u.source_language],
            partial(_transcribe, model, u),
        )
        for u in utterances
    ]
    return {
        "texts": [row["text"].strip() for row in rows],
        "temperatures": [row["temperature"] for row in rows],
    }


def _transcribe(model: str, utterance: Utterance) -> dict[str, Any]:
    import torch
    import whisper

    torch.manual_seed(0)
    result = whisper.transcribe(
        _load(model),
        decode_audio(utterance),
        language=utterance.source_language,
        condition_on_previous_text=False,
        fp16=False,
    )
    temperatures = [segment["temperature"] for segment in result["segments"]]
    return {"text": result["text"], "temperature": max(temperatures, default=0.0)}


@cache
def _load(model: str) -> Any:
    from components.models.loaders.whisper_loading import load_whisper

    return load_whisper(resolve(model))
