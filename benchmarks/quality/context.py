"""Do the sentences before one help its translation? One long recording with context and without.

The transcripts are those that the section ``long-recording`` has kept: spoken captions, joined to one
recording and recognized by Whisper base, cut to the reference segments. They are translated as the parts of
one document.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from benchmarks.common.measurements import read_measurements
from benchmarks.common.sections import Result
from benchmarks.common.text_statistics import count_translations
from benchmarks.pages.long_recording import WHOLE
from benchmarks.pages.translation import NONE, SYSTEMS
from benchmarks.quality.long_recording import draw_order, load_captions
from components.records import NBest, Utterance
from components.translation.config import TranslationConfig
from components.translation.factory import build

PAGE = "context"


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Per model: its translations by setting, and their statistics."""
    recording = read_measurements("long-recording")["texts"][0]
    transcripts = recording["transcripts"][WHOLE]
    parts = list(zip(transcripts.items(), draw_order(load_captions())[0], strict=True))
    for name, system in SYSTEMS.items():
        texts = [
            Utterance(
                id=key,
                text=text,
                references=caption.references,
                document="talk",
                source_language="en",
                target_language="de",
            )
            for (key, text), caption in parts[: system.segments]
            if text
        ]
        translations = {}
        for setting, context in {NONE: None, **system.contexts}.items():
            config = TranslationConfig.model_validate(
                {**system.settings, "context": context, "device": "cpu"}
            )
            outcomes = zip(texts, build(config).translate(texts), strict=True)
            translations[setting] = {u.id: o.best.text if isinstance(o, NBest) else "" for u, o in outcomes}
            print(name, setting, flush=True)
        values = {"translations": translations, "statistics": count_translations(texts, translations)}
        yield Result(name, values, [system.settings["model"]])
