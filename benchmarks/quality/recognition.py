"""The same recordings through Antiphon and openai-whisper's ``transcribe``: greedy, the same guards."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from typing import Any

from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.openai_transcripts import transcribe_with_openai
from benchmarks.common.recordings import load_recordings
from benchmarks.common.sections import Result, section_parser
from benchmarks.common.word_errors import Recording, recordings_of, word_error_rates
from benchmarks.pages.recognition import GREEDY, OPENAI

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


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    section = section_parser("benchmarks.quality recognition", __doc__)
    section.add_argument("--limit", type=int, help="recordings at most")
    return section


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
