"""E1b: on ordinary captions, does a system that also hears gain by the sound, or by its training?"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import score_table
from benchmarks.claims.speech.captions import encode, speak, transcribe, translate_texts
from benchmarks.claims.speech.cost import cost_table, measure_cost
from benchmarks.claims.speech.dual_source import (
    DUAL_SOURCE_VERSION,
    SPEECH,
    SubstituteStates,
    learner_of,
    load_dual_source,
    translate,
)
from benchmarks.claims.workspace import DEV, FLICKR16, PACKAGED, Workspace
from benchmarks.common.tables import format_interval, markdown_table
from components.claims.statistics.measuring import by_metrics, over_tasks, two_level
from components.claims.systems.workbench import best_texts, digest_of
from components.claims.verdict import Measured, Result
from components.records import Utterance
from components.stacking.training.learner import SpokenPair

TITLE = "Captions with their sound, and with another's"
QUESTION = """
A dual-source model reads Whisper's transcript and hears the encoder states as well. Does it correct its
cascade on ordinary speech, and if so: by the sound, or because it was trained further? The text model is
packaged:multi30k-en-de, frozen; only what listens is trained: 300 updates on 1,000 captions of train spoken
by flite (slt and rms), with the right sound or with the sound of another caption (drawn once). Three seeds
each; 80 captions of val choose the checkpoint. All are tested with the right sound on the first 300 captions
of test_2016_flickr, by a voice of the training (slt) and by two that were not heard there; beam 5. The
cascade is the packaged model on the same transcripts; it translates sentence by sentence, whereas the others
read a transcript as a whole.
"""
SEEDS = (1, 2, 3)
VOICES = ("flite slt", "piper joe", "espeak-ng")
SOUNDS = RIGHT, SHUFFLED = ("right sound", "shuffled sound")
BASE, CASCADE = "Whisper base", "cascade"
N_TRAIN, N_DEV, N_TEST = 1000, 80, 300
TRAINING: dict[str, Any] = {
    "data": "spoken captions",
    "dev": "spoken captions",
    "init_from": PACKAGED,
    "max_steps": 300,
    "warmup_steps": 20,
    "learning_rate": 5e-4,
    "batch_tokens": 1000,
    "eval_every": 30,
    "average_checkpoints": 3,
    "dtype": "float32",
}


def run(work: Workspace, outputs: Outputs) -> None:
    """Train six models, translate the captions of three voices by each and by the cascade."""
    models = {seed: train_seed(work, seed) for seed in SEEDS}
    test = work.utterances(FLICKR16, limit=N_TEST)
    for voice in VOICES:
        spoken = speak(work, test, voice)
        states = encode(work, spoken)
        texts = best_texts(transcribe(work, spoken, BASE), spoken)
        outputs.add_transcripts(f"transcripts, {voice}", spoken, BASE, 0, texts)
        cascade = best_texts(translate_texts(work, spoken, texts), spoken)
        outputs.add_translations(voice, spoken, CASCADE, 0, cascade)
        for sound in SOUNDS:
            for seed in SEEDS:
                translations = _translate(work, models[seed][sound], spoken, texts, states)
                outputs.add_translations(voice, spoken, f"trained with {sound}", seed, translations)
    spoken = speak(work, test[:40], VOICES[0])
    model = models[SEEDS[0]][RIGHT]
    key = {"cost": DUAL_SOURCE_VERSION, "model": digest_of(model), "ids": [u.id for u in spoken]}
    outputs.measurements["cost"] = work.cached(key, lambda: measure_cost(model, spoken))


def train_seed(work: Workspace, seed: int) -> dict[str, Path]:
    """The models of a seed, by the sound that they were trained with."""
    parts: list[list[SpokenPair]] = []
    right: dict[str, Tensor] = {}
    shuffled: dict[str, Tensor] = {}
    for captions, voice in _training_sets(work):
        spoken = speak(work, captions, voice)
        texts = best_texts(transcribe(work, spoken, BASE), spoken)
        parts.append([SpokenPair(u.id, (texts[u.id],), u.references[0]) for u in spoken])
        states = encode(work, spoken)
        right |= dict(states)
        shuffled |= dict(SubstituteStates(states, draw_other_captions(spoken)))
    states_by_sound: dict[str, Mapping[str, Tensor]] = {RIGHT: right, SHUFFLED: shuffled}
    return {
        sound: work.train(
            f"captions-{sound.split()[0]}-{seed}",
            learner=learner_of((parts[0], parts[1]), states, stack=2, freeze=True),
            seed=seed,
            **TRAINING,
        )
        for sound, states in states_by_sound.items()
    }


def _training_sets(work: Workspace) -> list[tuple[list[Utterance], str]]:
    """Captions and voice of what is learned from, and of what chooses the checkpoint."""
    train = random.Random(7).sample(work.utterances("train"), N_TRAIN)
    dev = random.Random(7).sample(work.utterances(DEV), N_DEV)
    return [(train, "flite slt and rms"), (dev, "flite slt")]


def draw_other_captions(spoken: Sequence[Utterance]) -> dict[str, str]:
    """Another caption for each, every one heard once: a cycle through all of them, drawn once."""
    ids = [u.id for u in spoken]
    random.Random(20).shuffle(ids)
    return dict(zip(ids, [*ids[1:], ids[0]], strict=True))


def _translate(
    work: Workspace,
    model: Path,
    spoken: Sequence[Utterance],
    texts: Mapping[str, str],
    states: Mapping[str, Tensor],
) -> dict[str, str]:
    key = {
        "dual source": DUAL_SOURCE_VERSION,
        "beam": 5,
        "model": digest_of(model),
        "speech": SPEECH.model_dump(mode="json"),
        "heard": [(u.id, u.audio.sha256) for u in spoken if u.audio and u.id in states],
        "texts": texts,
    }
    return dict(work.cached(key, lambda: translate(load_dual_source(model), spoken, texts, states, 5)))


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons: means over voices."""

    def shuffled(metric: str) -> Result:
        arms = [tuple(_of(outputs, voice, sound, metric) for sound in (RIGHT, SHUFFLED)) for voice in VOICES]
        return over_tasks(arms, items="captions, of three voices")

    def cascade(metric: str) -> Result:
        arms = [
            (_of(outputs, voice, RIGHT, metric), [outputs.statistics(voice, CASCADE, 0, metric)])
            for voice in VOICES
        ]
        return over_tasks(arms, paired=False, items="captions, of three voices")

    metrics = ("bleu", "chrf")
    return {
        "stacking_captions.right_against_cascade": by_metrics(metrics, cascade),
        "stacking_captions.right_against_shuffled": by_metrics(metrics, shuffled),
    }


def _of(outputs: Outputs, voice: str, sound: str, metric: str = "bleu") -> list[Any]:
    return [outputs.statistics(voice, f"trained with {sound}", seed, metric) for seed in SEEDS]


def page(outputs: Outputs) -> list[str]:
    """Scores by voice, differences by voice, and seconds."""
    lines = ["## Differences, BLEU (95% over seeds and captions)", _difference_table(outputs)]
    for voice in VOICES:
        wer = outputs.statistics(f"transcripts, {voice}", BASE, 0, "wer").score()
        known = "a voice of the training" if voice == VOICES[0] else "a voice not trained on"
        lines += [f"## {voice}, {known}", f"WER of the transcripts: {wer:.2f}%."]
        lines += [score_table(outputs, voice)]
    return [*lines, "## Seconds", *cost_table(outputs.measurements["cost"])]


def _difference_table(outputs: Outputs) -> str:
    rows = []
    for voice in VOICES:
        cascade = [outputs.statistics(voice, CASCADE, 0)]
        right, shuffled = (_of(outputs, voice, sound) for sound in SOUNDS)
        compared = (two_level(right, shuffled), two_level(right, cascade, paired=False))
        rows.append(
            (
                voice,
                *(
                    f"{r.difference:+.2f}{format_interval(r.interval, ' ({:+.2f} to {:+.2f})')}"
                    for r in compared
                ),
            )
        )
    return markdown_table(("voice", "right - shuffled", "right - cascade"), rows)
