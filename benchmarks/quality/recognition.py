"""The same recordings through Antiphon and openai-whisper's ``transcribe``: greedy, the same guards."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any

from benchmarks.common.cached_recognition import cached, recognize_cached
from benchmarks.common.recordings import decode_audio, load_recordings
from benchmarks.common.sections import Result, option
from benchmarks.common.word_errors import Recording, recordings_of, word_error_rates
from benchmarks.pages.recognition import GREEDY, OPENAI
from components.models import resolve
from components.records import Utterance

PAGE = "recognition"
MODEL = "packaged:whisper-base"
VARIANTS: dict[str, dict[str, object]] = {
    "greedy, float32": {"beam_size": 1},
    "greedy, float32, all of the padding": {"beam_size": 1, "padding_stride": 1},
    "greedy, bfloat16": {"beam_size": 1, "dtype": "bfloat16"},
    "greedy, int8": {"beam_size": 1, "dtype": "int8"},
    "beam 5, float32": {"beam_size": 5},
    "greedy, transformers": {"beam_size": 1, "backend": "transformers"},
    "greedy, faster-whisper": {"beam_size": 1, "backend": "faster-whisper"},
}
OPTIONS = {"limit": option(int, "recordings at most")}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Texts and highest temperatures of every system, in the order of the recordings."""
    warnings.filterwarnings("ignore")
    utterances = load_recordings()[: options.limit]
    systems: dict[str, dict[str, Any]] = {OPENAI: transcribe_with_openai(MODEL, utterances)}
    for name, settings in VARIANTS.items():
        lists, _ = recognize_cached({"model": MODEL, "n_best": 1, **settings}, utterances)
        best = [lists[u.id].best for u in utterances]
        systems[f"Antiphon, {name}"] = {
            "texts": [hypothesis.text for hypothesis in best],
            "temperatures": [hypothesis.features.get("temperature", 0.0) for hypothesis in best],
        }
        print(name, flush=True)
    yield Result("texts", summarize(recordings_of(utterances), systems), [MODEL])


def summarize(recordings: list[Recording], systems: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the page says of the texts, and the texts."""
    reference = systems[OPENAI]["texts"]
    for system in systems.values():
        system["same"] = sum(a == b for a, b in zip(system["texts"], reference, strict=True))
        system["wer"] = word_error_rates(recordings, system["texts"])
    ours, theirs = systems[GREEDY], systems[OPENAI]
    differences = [
        {
            "id": recording["id"],
            "temperatures": [ours["temperatures"][number], theirs["temperatures"][number]],
            "ours": ours["texts"][number],
            "theirs": theirs["texts"][number],
        }
        for number, recording in enumerate(recordings)
        if ours["texts"][number] != theirs["texts"][number]
    ]
    return {"recordings": recordings, "systems": systems, "differences": differences}


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
