"""E12: direct speech translation against a cascade, over the amount of spoken data."""

from __future__ import annotations

import json
import random
from collections import ChainMap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems
from benchmarks.claims.small_models import WATCHED, settings
from benchmarks.claims.speech.captions import encode, speak, transcribe, translate_texts
from benchmarks.claims.speech.dual_source import (
    DUAL_SOURCE_VERSION,
    SPEECH,
    WIDTH,
    load_dual_source,
    translate,
)
from benchmarks.claims.workspace import DEV, FLICKR16, Workspace
from benchmarks.common.tables import format_interval, markdown_table
from components.claims.statistics.measuring import two_level
from components.claims.systems.workbench import best_texts, digest_of
from components.claims.verdict import Measured
from components.files.files import write_atomically
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.records import Utterance
from components.stacking.encoder_states import EncoderStates
from components.stacking.model_folder import from_text_model
from components.stacking.training.learner import SpokenPair, StackLearner
from components.training.config import TrainingConfig
from components.training.learners.learner import MakeLearner

TITLE = "Direct speech translation and cascades, over the amount of speech"
QUESTION = """
A cascade (Whisper base, then a translator) beats a model that translates speech directly, it is said,
*because* there are more data for its parts. Given a pretrained encoder, is that so? 1,000 and 4,000 captions
of train are spoken by flite (slt and rms). The direct model reads Whisper's encoder states (frozen) and
starts from the translator of the same pairs, so that neither side sees more texts than the other; 800
updates. Two cascades stand beside it: its translator sees the same pairs, or all 29,000 texts. Translators
are small (2 + 2 layers) and train for 1,000 updates from random weights, with the packaged model's
vocabulary; 64 sentences of val choose the checkpoint. Three seeds; test_2016_flickr spoken by slt; beam 5.
If the data are the reason, the lead over the direct model must shrink when the cascade's translator sees the
same pairs only.
"""
SEEDS, SIZES = (1, 2, 3), (1000, 4000)
REGISTERED = 4000
VOICE, TRAINING_VOICES = "flite slt", "flite slt and rms"
BASE, N_DEV = "Whisper base", 80
DIRECT, SAME, ALL = "direct", "cascade, the same pairs", "cascade, all texts"
DIRECT_TRAINING: dict[str, Any] = {
    "data": "spoken captions",
    "dev": "spoken captions",
    "max_steps": 800,
    "warmup_steps": 100,
    "learning_rate": 5e-4,
    "batch_tokens": 1000,
    "eval_every": 100,
    "average_checkpoints": 3,
    "dtype": "float32",
}


def run(work: Workspace, outputs: Outputs) -> None:
    """Translators and direct models of every size and seed; translations of spoken captions."""
    test = speak(work, work.utterances(FLICKR16), VOICE)
    states = encode(work, test)
    transcripts = best_texts(transcribe(work, test, BASE), test)
    outputs.add_transcripts("transcripts", test, BASE, 0, transcripts)
    for seed in SEEDS:
        model = work.train(f"translator-all-{seed}", **_settings(work, seed))
        outputs.add_translations(FLICKR16, test, ALL, seed, _cascade(work, test, transcripts, model))
    for size in SIZES:
        for seed in SEEDS:
            translator = train_translator(work, size, seed)
            texts = _cascade(work, test, transcripts, translator)
            outputs.add_translations(FLICKR16, test, f"{SAME}, {size}", seed, texts)
            direct = train_direct(work, size, seed, translator)
            texts = _translate_directly(work, direct, test, states)
            outputs.add_translations(FLICKR16, test, f"{DIRECT}, {size}", seed, texts)


def draw_captions(work: Workspace, size: int) -> list[Utterance]:
    """Captions of train, drawn once: each size holds the smaller ones."""
    return random.Random(12).sample(work.utterances("train"), max(SIZES))[:size]


def train_translator(work: Workspace, size: int, seed: int) -> Path:
    """A translator that sees ``size`` pairs."""
    rows = [{"id": u.id, "text": u.text, "references": u.references} for u in draw_captions(work, size)]
    data = work.folder / "spoken" / f"pairs-{size}.jsonl"
    data.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(data, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode())
    return work.train(f"translator-{size}-{seed}", data=str(data), **_settings(work, seed))


def _settings(work: Workspace, seed: int) -> dict[str, Any]:
    return settings(work, seed=seed, eval_sentences=WATCHED)


def train_direct(work: Workspace, size: int, seed: int, translator: Path) -> Path:
    """A direct model that hears ``size`` captions and starts from their translator."""
    everything = speak(work, draw_captions(work, max(SIZES)), TRAINING_VOICES)
    dev = speak(work, random.Random(7).sample(work.utterances(DEV), N_DEV), VOICE)
    states = [encode(work, everything), encode(work, dev)]
    pairs = (_pairs(everything[:size]), _pairs(dev))
    learner = _learner_of(translator, pairs, states)
    values = DIRECT_TRAINING | {"init_from": str(translator), "seed": seed}
    return work.train(f"direct-{size}-{seed}", learner=learner, **values)


def _pairs(spoken: Sequence[Utterance]) -> list[SpokenPair]:
    return [SpokenPair(u.id, (str(u.transcript),), u.references[0]) for u in spoken]


def _learner_of(
    translator: Path, pairs: tuple[list[SpokenPair], list[SpokenPair]], states: Sequence[EncoderStates]
) -> MakeLearner:
    def make(settings: TrainingConfig, out: Path, device: torch.device) -> StackLearner:
        torch.manual_seed(settings.seed)
        stacked = from_text_model(str(translator), "direct", SPEECH, WIDTH, 2, None)
        return StackLearner(settings, stacked, pairs, ChainMap(*states), device)

    return make


def _cascade(
    work: Workspace, spoken: Sequence[Utterance], transcripts: dict[str, str], translator: Path
) -> dict[str, str]:
    return best_texts(translate_texts(work, spoken, transcripts, str(translator)), spoken)


def _translate_directly(
    work: Workspace, model: Path, spoken: Sequence[Utterance], states: EncoderStates
) -> dict[str, str]:
    key = {
        "direct": DUAL_SOURCE_VERSION,
        "beam": 5,
        "model": digest_of(model),
        "speech": SPEECH.model_dump(mode="json"),
        "heard": [(u.id, u.audio.sha256) for u in spoken if u.audio],
    }
    unread = {u.id: "" for u in spoken}
    return dict(work.cached(key, lambda: translate(load_dual_source(model), spoken, unread, states, 5)))


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons; the direct model is the same in both leads, so it cancels in the first."""
    registered = {"cascade_and_data.because": SAME, "cascade_and_data.leads": DIRECT}
    return {
        name: compare_systems(outputs, FLICKR16, ALL, f"{system}, {REGISTERED}", SEEDS)
        for name, system in registered.items()
    }


def _of(outputs: Outputs, system: str, size: int | None = None) -> list[CorpusStatistics]:
    name = system if size is None else f"{system}, {size}"
    return [outputs.statistics(FLICKR16, name, seed) for seed in SEEDS]


def page(outputs: Outputs) -> list[str]:
    """Scores and leads by size."""
    wer = outputs.statistics("transcripts", BASE, 0, "wer").score()
    rows = []
    for size in SIZES:
        direct, same, everything = _of(outputs, DIRECT, size), _of(outputs, SAME, size), _of(outputs, ALL)
        scores = [
            sum(table.score() for table in tables) / len(tables) for tables in (direct, same, everything)
        ]
        leads = [two_level(same, direct), two_level(everything, direct), two_level(everything, same)]
        cells = [f"{r.difference:+.2f}{format_interval(r.interval, ' ({:+.1f} to {:+.1f})')}" for r in leads]
        rows.append((f"{size:,}", *(f"{score:.2f}" for score in scores), *cells))
    header = (
        "spoken captions",
        DIRECT,
        SAME,
        ALL,
        "lead of the cascade, same pairs",
        "lead of the cascade, all texts",
        "difference of the leads",
    )
    note = f"BLEU, means over seeds (95% over seeds and captions). WER of the transcripts: {wer:.2f}%."
    return ["## BLEU by amount of speech", note, markdown_table(header, rows)]
