"""The fine-tunings and their data."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from benchmarks.claims.experiments.bagging import NUMBERS
from benchmarks.claims.speech.recognizers import Recognizers, write_recordings
from benchmarks.claims.workspace import Workspace
from benchmarks.common.paths import data_set
from components.records import Utterance
from components.training.examples.speech_data import MAX_SECONDS

Sets = Mapping[str, Mapping[str, list[Utterance]]]
"""Name -> part -> recordings."""

BASE = "packaged:whisper-base"
DUTCH, FRENCH = "Dutch dialogue", "French prompts"
SETS = {DUTCH: ("fillets", "nl"), FRENCH: ("asterisk", "fr")}
SIZES = {
    DUTCH: {"test": 100, "dev": 60, "pool": 100, "train": 320},
    FRENCH: {"test": 60, "dev": 40, "train": 150},
}
LEAST_WORDS = 3
CHECKPOINTS = (16, 20, 24, 28, 32)
TUNING: dict[str, Any] = {
    "batch_tokens": 12_000,
    "max_steps": CHECKPOINTS[-1],
    "eval_every": 4,
    "eval_sentences": 2,
    "average_checkpoints": 1,
    "dtype": "float32",
    "warmup_steps": 5,
    "lr_schedule": "linear",
    "learning_rate": 2e-5,
    "label_smoothing": 0.0,
}
SEEDS = (1, 2, 3)
ONE, BAG = "a fine-tuning", "a bag"
INGREDIENTS = tuple((kind, n) for kind in (ONE, BAG) for n in NUMBERS)
"""All Dutch models: of them soups are cooked and pairs are made."""


def divide(work: Workspace, name: str) -> dict[str, list[Utterance]]:
    """The parts of one set, in the order of the digests of their names."""
    folder, language = data_set(SETS[name][0]), SETS[name][1]
    lines = (folder / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if len(row["transcript"].split()) >= LEAST_WORDS]
    rows.sort(key=lambda row: crc32(row["id"].encode()))
    recordings = [(row["id"], str(folder / row["file"]), language, row["transcript"]) for row in rows]
    path = write_recordings(work.folder / "data" / f"{language}-all.jsonl", recordings)
    utterances = iter(work.utterances(path, (language, "en")))
    return {
        part: [u for u in itertools.islice(utterances, count) if u.audio and u.audio.seconds <= MAX_SECONDS]
        for part, count in SIZES[name].items()
    }


def tune(bench: Recognizers, sets: Sets, name: str, n: int, *, bag: bool = False) -> Path:
    """Fine-tuning ``n`` to a set, or to bootstrap sample ``n`` of it."""
    language = SETS[name][1]
    data, dev = (bench.write(f"{language}-{part}", sets[name][part]) for part in ("train", "dev"))
    own = {"source_language": language, "data": data, "dev": dev, "seed": n, **TUNING}
    if bag:
        return bench.train(f"{language}-bag-{n}", bag=n, **own)
    return bench.train(f"{language}-{n}", keep_checkpoints=len(CHECKPOINTS), **own)
