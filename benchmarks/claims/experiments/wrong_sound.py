"""E1: does a system that also hears get right what the transcript cannot tell, and by the sound?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.speech.dual_source import (
    DUAL_SOURCE_VERSION,
    SPEECH,
    SubstituteStates,
    learner_of,
    load_dual_source,
    prefer,
    translate,
)
from benchmarks.claims.speech.homograph_audio import SpokenHomographs, draw_sounds, speak, transcribe
from benchmarks.claims.speech.homograph_choices import mean_share, share_in_translations, word_sums
from benchmarks.claims.workspace import PACKAGED, Workspace
from benchmarks.common.tables import format_interval, markdown_table
from components.claims.statistics.measuring import by_metrics, of_sums
from components.claims.statistics.permutation import sign_flip_p
from components.claims.systems.workbench import digest_of
from components.claims.verdict import Measured, Result
from components.metrics.statistics.seed_bootstrap import ItemSums, two_level_bootstrap

TITLE = "Spoken homographs, heard rightly and wrongly"
QUESTION = """
"I read the book": today or yesterday? 1,004 sentences of ours stand there in two readings each, which only
the sound tells apart (espeak-ng with forced phonemes; German references that differ in that word). Three
dual-source models (seeds) start from the packaged text model and train for 300 updates on transcript,
sound and translation; they are tested by voices that they never heard, on held-out sentences (known words in
frames never heard) and held-out words (read in training in both readings, never heard). A choice is right
when the model gives the reading's reference a higher probability than the other reading's. Each test sentence
is judged with its own sound, with that of *the other reading*, with another sentence's and in silence. With
one transcript for both readings, a sentence with the other reading's sound is that reading's own input: its
choices are the mirror of the right ones by construction, and the difference is twice the distance from 50%.
Another sentence's sound (about 50% if the word decides) and silence (exactly 50%) are the controls.
"""
SEEDS = (1, 2, 3)
TRAINING: dict[str, Any] = {
    "data": "homographs",
    "dev": "homographs",
    "init_from": PACKAGED,
    "max_steps": 300,
    "warmup_steps": 50,
    "learning_rate": 1e-3,
    "batch_tokens": 700,
    "eval_every": 100,
    "eval_sentences": 120,
    "average_checkpoints": 3,
    "dropout": 0.1,
    "dtype": "float32",
}
DATA = "homographs"
SPLITS = {"sentences": "new_sentences", "words": "new_words"}
"""Split of the test set -> the registered comparison on it."""
RIGHT, OTHER = "right sound", "other reading's sound"
HEARD_TRANSCRIPT = "right sound, Whisper's transcript"
READ_ONLY = "text model, Whisper's transcript"


def run(work: Workspace, outputs: Outputs) -> None:
    """Speak, train with and without sound, judge under every sound."""
    spoken = speak(work.folder / "homographs")
    transcripts = transcribe(work, spoken)
    true = {u.id: str(u.transcript) for u in spoken.utterances["test"]}
    sounds = draw_sounds(spoken)
    systems = {name: (True, true, sound) for name, sound in sounds.items()}
    systems[HEARD_TRANSCRIPT] = (True, transcripts, sounds[RIGHT])
    systems[READ_ONLY] = (False, transcripts, {})
    test = spoken.utterances["test"]
    outputs.measurements["sentences"] = [_describe(spoken, u.id) for u in test]
    margins: dict[str, dict[str, list[float]]] = {}
    for seed in SEEDS:
        models = {listens: train_seed(work, spoken, seed, listens=listens) for listens in (True, False)}
        for system, (listens, texts, sound) in systems.items():
            answers = _ask(work, spoken, models[listens], texts, sound)
            margins.setdefault(system, {})[str(seed)] = [answers["margins"][u.id] for u in test]
            outputs.add_translations(DATA, test, system, seed, answers["translations"])
    outputs.measurements["margins"] = margins


def train_seed(work: Workspace, spoken: SpokenHomographs, seed: int, *, listens: bool) -> Path:
    """The model of a seed: with the sound, or of the same texts without it."""
    states = {u.id: spoken.states[u.id] for part in ("train", "dev") for u in spoken.utterances[part]}
    learner = learner_of(
        (spoken.pairs("train") + spoken.read_pairs(), spoken.pairs("dev")), states if listens else {}
    )
    name = f"homographs-{'sound' if listens else 'text'}-{seed}"
    return work.train(name, learner=learner, seed=seed, **TRAINING)


def _ask(
    work: Workspace,
    spoken: SpokenHomographs,
    model: Path,
    texts: Mapping[str, str],
    sound: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """Margins of the right reading, and greedy translations, by utterance."""
    test = spoken.utterances["test"]
    pairs = {u.id: (spoken.sentence[u.id].german, spoken.sentence[u.id].other) for u in test}
    states = SubstituteStates(spoken.states, sound)

    def ask() -> dict[str, dict[str, Any]]:
        loaded = load_dual_source(model)
        return {
            "margins": prefer(loaded, test, texts, states, pairs),
            "translations": translate(loaded, test, texts, states),
        }

    audio = {u.id: u.audio.sha256 for u in test if u.audio}
    key = {
        "homographs": DUAL_SOURCE_VERSION,
        "model": digest_of(model),
        "speech": SPEECH.model_dump(mode="json"),
        "sound": {key: audio[source] for key, source in sound.items()},
        "texts": texts,
        "pairs": pairs,
    }
    return dict(work.cached(key, ask))


def _describe(spoken: SpokenHomographs, utterance_id: str) -> dict[str, Any]:
    s = spoken.sentence[utterance_id]
    return {"split": s.split, "family": s.family, "word": s.word, "keys": list(s.keys)}


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons: p by sign flips of words, intervals by a bootstrap over seeds and words."""
    measured = {}
    for split, name in SPLITS.items():
        measured[f"stacking.{name}"] = by_metrics(("percent", "nats"), partial(_compare, outputs, split))
    return measured


def _compare(outputs: Outputs, split: str, metric: str) -> Result:
    right, other = (word_sums(outputs, s, split, nats=metric == "nats") for s in (RIGHT, OTHER))
    over = f"{len(right)} seeds x {right.shape[1]} words, sign flips of words"
    result = of_sums(ItemSums(mean_share, right, other), over)
    p = sign_flip_p((right - other)[..., 0].mean(0).tolist())
    return result.model_copy(update={"p": p})


def page(outputs: Outputs) -> list[str]:
    """Right choices by sound, with and without the verb "read"; by family; and what the translation shows."""
    lines: list[str] = []
    for split in SPLITS:
        words = {s["word"] for s in outputs.measurements["sentences"] if s["split"] == split}
        lines += [f"## Held-out {split} ({len(words)} words)", *_table(outputs, split)]
    return [*lines, *_word_table(outputs)]


def _table(outputs: Outputs, split: str) -> list[str]:
    columns: Sequence[tuple[str, bool]] = (("all words", True),)
    if split == "sentences":
        columns = (*columns, ('without "read"', False))
    rows = []
    for system in outputs.measurements["margins"]:
        cells = [system]
        for _, with_read in columns:
            sums = word_sums(outputs, system, split, with_read=with_read)
            chance = np.concatenate([np.full_like(sums[..., :1], 50), sums[..., 1:]], -1)
            estimate = two_level_bootstrap(ItemSums(mean_share, sums, chance))
            low, high = estimate.interval or (0.0, 0.0)
            value = 50 + estimate.difference
            cells.append(f"{value:.1f}{format_interval((50 + low, 50 + high), ' ({:.1f} to {:.1f})')}")
        rows.append((*cells, f"{share_in_translations(outputs, system, split):.1f}"))
    header = (
        "heard",
        *(f"right choice, %, {name}" for name, _ in columns),
        "translation shows the reading, %",
    )
    note = "Macro means over words; intervals over seeds and words. True transcripts unless it says so."
    return [note, markdown_table(header, rows)]


def _word_table(outputs: Outputs) -> list[str]:
    words = sorted({s["word"] for s in outputs.measurements["sentences"] if s["split"] == "words"})
    right, other = (word_sums(outputs, system, "words")[..., 0].mean(0) for system in (RIGHT, OTHER))
    rows = [
        (word, f"{a:.0f}", f"{b:.0f}", f"{a - b:+.0f}")
        for word, a, b in zip(words, right, other, strict=True)
    ]
    header = ("held-out word", RIGHT, OTHER, "difference")
    note = "Right choices, %, mean over seeds."
    return ["## Held-out words, one by one", note, markdown_table(header, rows)]
