"""A second family beside Whisper: a CTC head on its frozen encoder, alone, in joint search and in ROVER.

The head is trained on 2,100 captions of Multi30k's train that four voices of flite speak; it is judged on
captions of test_2016_flickr that piper's voice joe speaks, which no system was trained with. The weight of
the joint search and the votes of ROVER are chosen on captions of val by that voice. Interrupted, the
trainings and what was recognized are used again (work folder).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from antiphon import run_pipeline
from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_transcripts
from benchmarks.quality.confidence.graphs import Graph
from components import data
from components.claims.systems import votes
from components.claims.systems.workbench import best_texts
from components.files.files import write_bytes
from components.records import NBest, Utterance
from components.synthesis.config import SynthesisConfig
from components.synthesis.synthesizer import build

PAGE = "families"
BASE, TINY, SPHINX = "packaged:whisper-base", "packaged:whisper-tiny.en", "sphinx:en-us"
WEIGHTS = (0.05, 0.1, 0.2, 0.3)
"""Of the CTC model's log-probability in the joint search."""
VOTERS = ("Whisper base", "CTC", "pocketsphinx")
"""Recognizers that vote, in the order of :data:`components.claims.systems.votes.WEIGHTS`."""
TRAINED_ON, STOPPED_BY = 2100, 50
"""Captions of train and of val that the head is trained on and chosen by."""
OPTIONS = {
    "test": option(200, "captions of test_2016_flickr"),
    "dev": option(60, "captions of val, to choose settings on"),
    "work": option(Path("ctc-work"), "folder of speech and trainings"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What each system writes about the captions of the test set, and what was chosen on val."""
    head = train_head(options.work)
    sets = {
        "val": _speak(options.work, "val", options.dev),
        "test": _speak(options.work, "test_2016_flickr", options.test),
    }
    systems: dict[str, dict[str, object]] = {
        "Whisper base": {"model": BASE},
        "CTC": {"model": head, "backend": "ctc", "beam_size": 8},
        "pocketsphinx": {"model": SPHINX, "backend": "pocketsphinx"},
    }
    joint: dict[str, dict[str, object]] = {
        f"joint, {w:g}": {"model": BASE, "ctc": {"model": head, "weight": w}} for w in WEIGHTS
    }
    lists = {"val": {name: _recognize(name, row, sets["val"]) for name, row in {**systems, **joint}.items()}}
    errors = {
        name: votes.word_error_rate(sets["val"], best_texts(lists["val"][name], sets["val"]))
        for name in joint
    }
    systems |= {name: joint[name] for name in [min(errors, key=errors.__getitem__)]}
    lists["test"] = {name: _recognize(name, row, sets["test"]) for name, row in systems.items()}
    tuned = {
        grid: votes.tune(sets["val"], {name: lists["val"][name] for name in VOTERS}, grid)
        for grid in votes.GRIDS
    }
    outputs = {
        split: {name: best_texts(row, sets[split]) for name, row in rows.items()}
        for split, rows in lists.items()
    }
    for grid, (config, _) in tuned.items():
        for split, spoken in sets.items():
            voters = {name: lists[split][name] for name in VOTERS}
            outputs[split][grid] = votes.combine(spoken, voters, config)
    statistics = {split: count_transcripts(sets[split], rows) for split, rows in outputs.items()}
    yield Result("ctc", {"outputs": outputs, "statistics": statistics}, [BASE, SPHINX])


def _recognize(name: str, settings: dict[str, object], spoken: Sequence[Utterance]) -> Mapping[str, NBest]:
    lists, seconds = recognize_cached(settings, spoken)
    print(f"{name}: {len(spoken)} recordings, {seconds:.0f} CPU s", flush=True)
    return lists


def train_head(work: Path) -> str:
    """The folder of the CTC head; trained where it is not in the work folder's store."""
    speak = {"engine": "flite", "voices": ["slt", "rms", "awb", "kal16"]}
    states = {"pooling": 1, "window_seconds": 6}
    dev = _write_texts(work, "val", 20, STOPPED_BY)
    nodes: Graph = {
        "train_text": {"kind": "data", "source": str(_write_texts(work, "train", 12, TRAINED_ON, 95))},
        "dev_text": {"kind": "data", "source": str(dev)},
        "train": {"kind": "synthesize", "of": "train_text", **speak},
        "dev": {"kind": "synthesize", "of": "dev_text", **speak},
        "states": {"kind": "encode_speech", "of": "train", **states},
        "dev_states": {"kind": "encode_speech", "of": "dev", **states},
        "head": {
            "kind": "train_ctc",
            "of": ["train", "dev"],
            "states": "states",
            "dev_states": "dev_states",
            "steps": 700,
            "eval_every": 100,
        },
    }
    run = run_pipeline({"nodes": nodes}, data=str(dev), store=str(work / "store"), name="ctc", replace=True)
    ref = next(ref for ref in run.record.stages if ref.stage == "head")
    return str(Path(ref.path) / "model")


def _write_texts(work: Path, split: str, step: int, n: int, longest: int = 10**6) -> Path:
    """Every ``step``-th caption of a split, ``n`` in all, of ``longest`` characters at most."""
    texts = [u.text or "" for u in data.load(f"multi30k:{split}").utterances]
    rows = [
        {"id": f"{split[:2]}{number}", "text": text, "transcript": text, "source_language": "en"}
        for number, text in list(enumerate(texts))[::step]
        if len(text) <= longest
    ]
    path = work / f"{split}.jsonl"
    write_bytes(path, "".join(json.dumps(row) + "\n" for row in rows[:n]).encode())
    return path


def _speak(work: Path, split: str, n: int) -> list[Utterance]:
    """``n`` captions by piper's voice joe, of odd numbers: the head was not chosen on them."""
    texts = data.load(f"multi30k:{split}").utterances[1::2]
    drawn = texts[:: max(1, len(texts) // n)][:n]
    speaker = build(SynthesisConfig(engine="piper", voices=("joe",)))
    return [u for u in speaker.synthesize(drawn, work / "sound") if isinstance(u, Utterance)]
