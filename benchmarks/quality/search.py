"""What search over a pipeline gains at equal tries: samplers, random search, and each stage tuned alone.

Every setting of a small grid is computed once on search and on confirm data, and what is kept of it (the
statistics of every utterance) is the table in which searches are repeated many times with other seeds; no
search computes anything. The pipeline is a routed cascade: tiny.en, the doubtful ones to base, then
translation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.claims.speech.captions import add_noise
from benchmarks.common.cached_recognition import CACHE, recognize_cached
from benchmarks.common.measurements import read_measurements
from benchmarks.common.sections import Result, option
from benchmarks.common.text_statistics import count_texts
from benchmarks.quality.repeated_searches import Grid, repeat_searches
from components import data
from components.records import NBest, Utterance
from components.synthesis.config import SynthesisConfig
from components.synthesis.synthesizer import build as build_synthesizer
from components.translation.config import TranslationConfig
from components.translation.factory import build as build_translator

PAGE = "search"
FAST, GOOD, TRANSLATOR = "packaged:whisper-tiny.en", "packaged:whisper-base", "packaged:multi30k-en-de"
RECOGNIZERS = {"fast-1": (FAST, 1), "good-1": (GOOD, 1), "good-5": (GOOD, 5)}
"""Name -> model and beam."""
TRANSLATOR_BEAMS = (1, 2, 4, 8)
LENGTH_PENALTIES = (0.0, 0.5, 1.0, 1.5, 2.0)
METRICS = ("bleu", "chrf")
SNR_DB = 10.0
SPLITS = {"search": ("multi30k:val", 60), "confirm": ("multi30k:test_2016_flickr", 80)}
"""Part -> captions that are spoken, and how many."""
OPTIONS = {
    "only": option(
        str, "the outputs, or the searches in those that are stored", choices=("grid", "searches")
    ),
    "work": option(CACHE / "search", "folder of the sound"),
}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Everything that a search could ask for, of both data sets; then the searches."""
    if options.only != "searches":
        for part, (source, limit) in SPLITS.items():
            utterances = _speak(source, limit, options.work)
            yield Result(part, measure_grid(utterances), [FAST, GOOD, TRANSLATOR])
    if options.only != "grid":
        stored = read_measurements(PAGE, options.out)
        yield Result("searches", repeat_searches(Grid(stored["search"]), Grid(stored["confirm"])))


def _speak(source: str, limit: int, folder: Path) -> list[Utterance]:
    """Captions by two voices in turn, with pink noise."""
    texts = data.load(source, source_language="en", target_language="de", limit=limit).utterances
    captions = [u.model_copy(update={"id": f"{source.partition(':')[2]}-{n}"}) for n, u in enumerate(texts)]
    voices = SynthesisConfig(engine="flite", voices=("slt", "rms"))
    spoken = build_synthesizer(voices).synthesize(captions, folder / source.partition(":")[2])
    return [add_noise(u, SNR_DB, "pink", seed=21) for u in spoken if isinstance(u, Utterance)]


def measure_grid(utterances: Sequence[Utterance]) -> dict[str, Any]:
    """Transcripts of every recognizer, and statistics of every translation of each, and of correct ones."""
    heard, seconds = {}, {}
    for name, (model, beam) in RECOGNIZERS.items():
        settings: dict[str, object] = {"model": model, "beam_size": beam, "n_best": 1}
        heard[name], seconds[name] = recognize_cached(settings, utterances)
    ids = [u.id for u in utterances if all(u.id in lists for lists in heard.values())]
    selected = [u for u in utterances if u.id in ids]
    texts = {name: [lists[key].best.text for key in ids] for name, lists in heard.items()}
    texts["gold"] = [u.transcript or "" for u in selected]
    translated = {name: _translate(selected, transcripts) for name, transcripts in texts.items()}
    return {
        "n_total": len(utterances),
        "ids": ids,
        "doubt": {name: [_doubt(lists[key]) for key in ids] for name, lists in heard.items()},
        "wer": {name: count_texts("wer", selected, transcripts) for name, transcripts in texts.items()},
        "translated": {name: {key: value[0] for key, value in of.items()} for name, of in translated.items()},
        "seconds": seconds,
        "translation_seconds": {key: value[1] for key, value in translated["good-5"].items()},
    }


def _doubt(nbest: NBest) -> float:
    """Minus the mean log-probability of the tokens, as a route has it."""
    return -nbest.best.score / max(1, nbest.best.n_tokens)


def _translate(
    utterances: Sequence[Utterance], transcripts: Sequence[str]
) -> dict[str, tuple[dict[str, list[list[float]]], float]]:
    """``beam/length penalty`` -> statistics by metric of every utterance, and CPU seconds."""
    sources = [
        u.model_copy(update={"text": text, "audio": None, "transcript": None})
        for u, text in zip(utterances, transcripts, strict=True)
    ]
    outputs = {}
    for beam in TRANSLATOR_BEAMS:
        for penalty in LENGTH_PENALTIES:
            config = TranslationConfig(model=TRANSLATOR, beam_size=beam, n_best=1, length_penalty=penalty)
            translator = build_translator(config)
            begun = time.process_time()
            outcomes = translator.translate(sources)
            seconds = time.process_time() - begun
            written = [outcome.best.text if isinstance(outcome, NBest) else "" for outcome in outcomes]
            statistics = {metric: count_texts(metric, utterances, written) for metric in METRICS}
            outputs[f"{beam}/{penalty:g}"] = (statistics, seconds)
    return outputs
