"""Do the sentences before one help its translation? One long recording with context and without.

The transcripts are those that the section ``long-recording`` has kept: spoken captions, joined to one
recording and recognized by Whisper base, cut to the reference segments. They are translated as the parts of
one document.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from benchmarks.common.measurements import read_measurements
from benchmarks.common.sections import Result, section_parser
from benchmarks.pages.context import NONE, SYSTEMS
from benchmarks.pages.long_recording import WHOLE
from components.records import NBest, Utterance
from components.translation.config import TranslationConfig
from components.translation.factory import build

PAGE = "context"


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    return section_parser("benchmarks.quality context", __doc__)


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Per model: the reference segments that it translates, and their translations by setting."""
    del options
    recording = read_measurements("long-recording")["texts"][0]
    transcripts = recording["transcripts"][WHOLE]
    parts = list(zip(recording["segments"], transcripts, strict=True))
    for name, system in SYSTEMS.items():
        rows = parts[: system.segments]
        texts = [
            Utterance(id=part["id"], text=text, document="talk", source_language="en", target_language="de")
            for part, text in rows
            if text
        ]
        ids = {text.id for text in texts}
        translations = {}
        for setting, context in {NONE: None, **system.contexts}.items():
            config = TranslationConfig.model_validate(
                {**system.settings, "context": context, "device": "cpu"}
            )
            outcomes = build(config).translate(texts)
            translations[setting] = [o.best.text if isinstance(o, NBest) else "" for o in outcomes]
            print(name, setting, flush=True)
        segments = [{"id": p["id"], "references": p["references"]} for p, _ in rows if p["id"] in ids]
        yield Result(name, {"segments": segments, "translations": translations}, [system.settings["model"]])
