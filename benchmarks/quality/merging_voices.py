"""Merge methods on Whisper tiny.en fine-tuned to two ways of speaking, for the page of merging's frontier.

One model learns captions by espeak-ng's voice en-us, the other captions by flite's voice rms in white noise
at 5 dB: 160 captions of Multi30k's train each, others for each. A method's parameter is chosen by the mean
word error rate of the two development sets (40 captions of val each); the test sets are 100 captions of
test_2016_flickr each. All is recognized greedily. Fine-tunings differ in their seed, recordings do not.
Everything is kept in WORK, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims.speech.captions import speak
from benchmarks.claims.workspace import Workspace
from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_transcripts
from benchmarks.quality.merging.methods import METHODS, make_merged
from components.files.files import write_atomically
from components.metrics.statistics.corpus_statistics import text_statistics
from components.records import Utterance
from components.training.config import TrainingConfig
from components.training.learners.recognition_learner import RecognitionLearner
from components.training.loop.trainer import train

PAGE = "merging-frontier"
START = "packaged:whisper-tiny.en"
VOICES = {"espeak-ng": "espeak-ng", "noise": "flite rms, 5 dB"}
"""Name of a way of speaking -> key of :data:`benchmarks.claims.speech.captions.VOICES`."""
TRAIN, DEV, TEST = 160, 40, 100
COMPARED = ("linear", "karcher", "model_stock", "task_arithmetic", "ties", "dare_ties", "tsv_m", "iso_c")
SCALES = (0.5, 1.0)
"""Values of ``lambda`` that are tried."""
OPTIONS = {
    "work": option(Path, "keeps speech, models and texts", required=True),
    "seeds": option([1, 2, 3], "of the fine-tunings"),
    "steps": option(40, "updates of each fine-tuning, 4 recordings each"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Fine-tune to both, merge by every method, recognize both test sets; once for every seed."""
    work: Path = options.work
    sets = speak_sets(Workspace(work))
    for seed in options.seeds:
        models = {name: fine_tune(work, name, seed, parts, options.steps) for name, parts in sets.items()}
        systems = {"start": START, **{f"tuned to {name}": model for name, model in models.items()}}
        parameters = {}
        for name in COMPARED:
            systems[name], parameters[name] = choose(work / "merged" / str(seed), name, models, sets)
        texts = {
            voice: {name: recognize(model, parts["test"]) for name, model in systems.items()}
            for voice, parts in sets.items()
        }
        statistics = {voice: count_transcripts(sets[voice]["test"], own) for voice, own in texts.items()}
        values = {"chosen": parameters, "statistics": statistics, "texts": texts}
        yield Result(f"voices {seed}", values, [START])


def speak_sets(work: Workspace) -> dict[str, dict[str, list[Utterance]]]:
    """Training, development and test recordings of each way of speaking."""
    splits = (("train", "train", TRAIN), ("dev", "val", DEV), ("test", "test_2016_flickr", TEST))
    sets: dict[str, dict[str, list[Utterance]]] = {}
    for number, (name, voice) in enumerate(VOICES.items()):
        captions = {part: work.utterances(split)[number * n :][:n] for part, split, n in splits}
        sets[name] = {part: speak(work, rows, voice) for part, rows in captions.items()}
    return sets


def fine_tune(work: Path, name: str, seed: int, parts: dict[str, list[Utterance]], steps: int) -> str:
    """Whisper tiny.en after a short fine-tuning; made once."""
    manifests = {}
    for part in ("train", "dev"):
        manifests[part] = work / f"{name}-{part}.jsonl"
        rows = [
            {"id": u.id, "audio": u.audio.path if u.audio else "", "transcript": u.transcript}
            for u in parts[part]
        ]
        write_atomically(manifests[part], "".join(json.dumps(row) + "\n" for row in rows).encode())
    values = {
        **{"kind": "recognition", "init_from": START, "source_language": "en", "target_language": "en"},
        **{"data": str(manifests["train"]), "dev": str(manifests["dev"]), "device": "cpu", "threads": 1},
        **{
            "seed": seed,
            "max_steps": steps,
            "eval_every": steps,
            "eval_sentences": 8,
            "average_checkpoints": 1,
        },
        **{"learning_rate": 2e-5, "warmup_steps": 5, "lr_schedule": "linear", "batch_tokens": 6000},
    }
    out = work / "models" / f"{name}-{seed}"
    if not (out / "model").is_dir():
        train(TrainingConfig.model_validate(values), out, print, RecognitionLearner)
    return str(out / "model")


def choose(
    folder: Path, name: str, models: Mapping[str, str], sets: Mapping[str, Mapping[str, list[Utterance]]]
) -> tuple[str, dict[str, Any]]:
    """What a method makes of both models at the best of its parameter's values, and these values' errors."""
    method = METHODS[name]
    values = SCALES if method.parameter else (0.0,)
    tuned = list(models.values())
    merged = {value: make_merged(folder / f"{name}-{value}", method, value, tuned, START) for value in values}
    errors = {value: mean_error_rate(merged[value], sets) for value in values if method.parameter}
    best = min(values, key=lambda value: errors.get(value, 0.0))
    return merged[best], {"parameter": method.parameter, "value": best, "errors": list(errors.items())}


def mean_error_rate(model: str, sets: Mapping[str, Mapping[str, list[Utterance]]]) -> float:
    """WER on the development sets, in percent, their mean."""
    rates = []
    for parts in sets.values():
        texts = recognize(model, parts["dev"])
        spoken = {key: (text,) for key, text in references(parts["dev"]).items()}
        table = text_statistics(spoken, texts, language="en", n_total=len(spoken), names=("wer",))
        rates.append(float(table["wer"].score()))
    return sum(rates) / len(rates)


def references(spoken: Sequence[Utterance]) -> dict[str, str]:
    """What is said, by utterance."""
    return {u.id: str(u.transcript) for u in spoken}


def recognize(model: str, spoken: Sequence[Utterance]) -> dict[str, str]:
    """Transcripts by utterance; recognized once."""
    lists, seconds = recognize_cached({"model": model, "beam_size": 1, "n_best": 1}, spoken)
    print(f"{Path(model).name}: {len(spoken)} recordings, {seconds:.0f} CPU s", flush=True)
    return {u.id: lists[u.id].best.text if u.id in lists else "" for u in spoken}
