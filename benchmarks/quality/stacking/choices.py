"""Accuracy on the spoken homographs, with intervals and paired tests."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from math import comb

import numpy as np

from benchmarks.claims.speech.homographs import sentences
from benchmarks.quality.stacking.experiment import VOICES, Spoken, Verdict, judge_readings
from components.stacking.model_folder import LoadedStackedModel

SPLITS = {
    "sentences": "held-out sentences (known words in frames never heard)",
    "words": "held-out words (never heard in training; read there in both readings)",
}


@dataclass(frozen=True)
class TimedVerdicts:
    verdicts: list[Verdict]
    milliseconds: float


def measure(
    model: LoadedStackedModel, spoken: Spoken, texts: dict[str, str] | None, with_sound: bool
) -> TimedVerdicts:
    started = time.process_time()
    verdicts = judge_readings(model, spoken, texts, with_sound=with_sound)
    return TimedVerdicts(verdicts, 1000 * (time.process_time() - started) / len(verdicts))


def accuracy_interval(verdicts: list[Verdict], name: str = "preferred") -> tuple[float, float, float]:
    """Share of right ones in percent, and its 95% bootstrap interval, resampling words, not sentences."""
    groups: dict[str, list[bool]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.sentence.word, []).append(getattr(verdict, name))
    sums = np.array([[sum(group), len(group)] for group in groups.values()], float)
    value = sums[:, 0].sum() / sums[:, 1].sum()
    draw = np.random.default_rng(12345)
    means = []
    for _ in range(1000):
        drawn = sums[draw.integers(0, len(sums), len(sums))].sum(0)
        means.append(drawn[0] / drawn[1])
    low, high = np.percentile(means, (2.5, 97.5))
    return 100 * value, 100 * min(low, value), 100 * max(high, value)


def mcnemar(a: list[Verdict], b: list[Verdict]) -> float:
    """Exact two-sided p of McNemar's test on the same sentences: as many wins as losses?"""
    wins = sum(x.preferred and not y.preferred for x, y in zip(a, b, strict=True))
    losses = sum(y.preferred and not x.preferred for x, y in zip(a, b, strict=True))
    n = wins + losses
    tail = sum(comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n if n else 1.0
    return min(1.0, 2 * tail)


def _cell(verdicts: list[Verdict], name: str) -> str:
    return "{:.1f} ({:.1f} to {:.1f})".format(*accuracy_interval(verdicts, name))


def format_tables(
    spoken: Spoken,
    results: dict[tuple[str, str], TimedVerdicts],
    seconds: dict[str, float],
    steps: dict[str, int],
) -> list[str]:
    everything = sentences()
    counts = Counter(s.split for s in everything)
    lines = [
        "## The spoken homograph",
        "",
        f"{len(everything)} sentences of ours (`python -m benchmarks.claims.speech.homographs`), each in "
        "two readings that only the sound tells apart, with German references that differ in that word: "
        f"{counts['train']} to train on, {counts['sentences']} held-out sentences, {counts['words']} of "
        f"{len({s.word for s in everything if s.split == 'words'})} held-out words. Speech: espeak-ng with "
        f"forced phonemes, trained on {', '.join(VOICES['train'])}, tested on {', '.join(VOICES['test'])}. "
        "Both models start from packaged:multi30k-en-de and see the same texts for as many steps; one also "
        "hears. A choice is right when the model gives the reading's German reference a higher probability "
        "than the other reading's; a translation shows the reading when it holds that reading's word and not "
        "the other's. Intervals: bootstrap over words. Chance is 50%: with one transcript for both readings "
        "exactly that.",
        "",
    ]
    for split, what in SPLITS.items():
        lines += [
            f"### {what[0].upper()}{what[1:]}",
            "",
            "| system | reads | right choice, % | translation shows the reading, % |",
            "|---|---|---|---|",
        ]
        for (name, source), measured_ in results.items():
            verdicts = [v for v in measured_.verdicts if v.sentence.split == split]
            system = "cascade (text model)" if name == "text" else "dual source"
            lines.append(
                f"| {system} | {source} | {_cell(verdicts, 'preferred')} | {_cell(verdicts, 'written')} |"
            )
        lines.append("")
        for source in ("true transcript", "Whisper's transcript"):
            pair = [
                [v for v in results[name, source].verdicts if v.sentence.split == split]
                for name in ("dual", "text")
            ]
            lines.append(f"Dual source against the cascade, {source}: McNemar p {mcnemar(*pair):.2g}.")
        lines.append("")
    return [*lines, *_families(results), *_cost(spoken, results, seconds, steps)]


def _families(results: dict[tuple[str, str], TimedVerdicts]) -> list[str]:
    verdicts = results["dual", "true transcript"].verdicts
    lines = ["### Dual source, by family (true transcript, right choice, %)", ""]
    lines += ["| family | held-out sentences | n | held-out words | n |", "|---|---|---|---|---|"]
    for family in sorted({v.sentence.family for v in verdicts}):
        row = []
        for split in SPLITS:
            selection = [v for v in verdicts if v.sentence.split == split and v.sentence.family == family]
            row += [_cell(selection, "preferred") if selection else "none", str(len(selection))]
        lines.append(f"| {family} | {' | '.join(row)} |")
    words = Counter(v.sentence.word for v in verdicts if v.sentence.split == "words")
    right = Counter(v.sentence.word for v in verdicts if v.sentence.split == "words" and v.preferred)
    counts_by_word = ", ".join(f"{word} {right[word]}/{n}" for word, n in sorted(words.items()))
    return [*lines, "", f"Held-out words, one by one: {counts_by_word}.", ""]


def _cost(
    spoken: Spoken,
    results: dict[tuple[str, str], TimedVerdicts],
    seconds: dict[str, float],
    steps: dict[str, int],
) -> list[str]:
    audio = sum(u.audio.seconds for u in spoken.utterances["train"] if u.audio)
    dual, text = (results[name, "true transcript"].milliseconds for name in ("dual", "text"))
    return [
        "### What the stack costs",
        "",
        f"- Data: {len(spoken.utterances['train'])} recordings ({audio / 60:.0f} minutes), made from text.",
        "- Encoding (Whisper base, 8 s window): about 0.11 CPU seconds a recording, as in a cascade.",
        f"- Training: {seconds['dual']:.2f} CPU seconds a step for {steps['dual']} steps, "
        f"{seconds['text']:.2f} for {steps['text']} without the sound (median of 12 steps in turn).",
        f"- Two forced choices and a greedy translation: {dual:.0f} CPU ms a sentence, {text:.0f} without "
        "the sound; encoding not counted.",
        "",
    ]
