"""What the parts of a cascade and of a dual-source system cost, relative to the cascade."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from benchmarks.claims.speech.captions import RECOGNIZERS
from benchmarks.claims.speech.dual_source import SPEECH, load_dual_source, translate
from benchmarks.common.tables import markdown_table
from components.recognition.factory import build as build_recognizer
from components.records import Utterance
from components.stacking.speech_encoder import SpeechEncoder

RECOGNITION, ENCODING = "recognition", "encoder states"
TEXT_ALONE, WITH_SOUND = "translation, text alone", "translation, with the sound"


def measure_cost(model: Path, spoken: Sequence[Utterance], rounds: int = 3) -> list[dict[str, float]]:
    """CPU seconds of every part on the same recordings, in interleaved rounds after one to warm up."""
    recognizer = build_recognizer(RECOGNIZERS["Whisper base"])
    encoder, dual = SpeechEncoder(SPEECH, device="cpu"), load_dual_source(model)
    texts = {u.id: str(u.transcript) for u in spoken}
    silence: dict[str, Tensor] = {}
    states = {u.id: encoder.encode(u) for u in spoken}
    parts: dict[str, Callable[[], object]] = {
        RECOGNITION: lambda: recognizer.recognize(spoken),
        ENCODING: lambda: [encoder.encode(u) for u in spoken],
        TEXT_ALONE: lambda: translate(dual, spoken, texts, silence, 5),
        WITH_SOUND: lambda: translate(dual, spoken, texts, states, 5),
    }
    rows = []
    for _ in range(rounds + 1):
        row = {}
        for name, part in parts.items():
            started = time.process_time()
            part()
            row[name] = round(time.process_time() - started, 3)
        rows.append(row)
    return rows[1:]


def cost_table(rounds: Sequence[dict[str, float]]) -> list[str]:
    """Shares of the cascade's seconds, from the medians of the rounds."""
    seconds = {name: float(np.median([row[name] for row in rounds])) for name in rounds[0]}
    cascade = seconds[RECOGNITION] + seconds[TEXT_ALONE]
    dual_source = seconds[RECOGNITION] + seconds[ENCODING] + seconds[WITH_SOUND]
    rows = [(name, f"{value / cascade:.3f}") for name, value in seconds.items()]
    rows += [("cascade in all", "1.000"), ("dual source in all", f"{dual_source / cascade:.3f}")]
    note = (
        "CPU seconds on the same recordings, the cascade's recognition and translation = 1; medians of "
        "interleaved rounds, models loaded before. Every system needs the recognition."
    )
    return [note, "", markdown_table(("part", "share"), rows)]
