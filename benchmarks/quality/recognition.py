"""The same recordings through Antiphon and openai-whisper's ``transcribe``: greedy, the same guards."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
import whisper

from benchmarks.common.paths import RESULTS
from benchmarks.common.recordings import decode_audio, load_recordings, seconds_of
from components.metrics.recognition import recognition_scores
from components.models import resolve
from components.models.loading import load_whisper
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import Hypothesis, NBest, Utterance

MODEL = "packaged:whisper-base"
OUT = RESULTS / "recognition.md"
VARIANTS = {
    "greedy, float32": {"beam_size": 1},
    "greedy, float32, all of the padding": {"beam_size": 1, "padding_stride": 1},
    "greedy, bfloat16": {"beam_size": 1, "dtype": "bfloat16"},
    "greedy, int8": {"beam_size": 1, "dtype": "int8"},
    "beam 5, float32": {"beam_size": 5},
    "greedy, transformers": {"beam_size": 1, "backend": "transformers"},
    "greedy, faster-whisper": {"beam_size": 1, "backend": "faster-whisper"},
}
FIRST = "greedy, float32"


def ours(utterances: list[Utterance], settings: dict) -> list[Hypothesis]:
    config = {"model": MODEL, "n_best": settings["beam_size"], "device": "cpu", **settings}
    outcomes = build(RecognitionConfig.model_validate(config)).recognize(utterances)
    assert all(isinstance(o, NBest) for o in outcomes)
    return [o.best for o in outcomes if isinstance(o, NBest)]


def theirs(utterances: list[Utterance]) -> list[dict]:
    model = load_whisper(resolve(MODEL))
    results = []
    for utterance in utterances:
        torch.manual_seed(0)
        results.append(
            whisper.transcribe(
                model,
                decode_audio(utterance),
                language=utterance.source_language,
                condition_on_previous_text=False,
                fp16=False,
            )
        )
    return results


def word_error_counts(utterances: list[Utterance], texts: list[str]) -> dict[str, str]:
    """WER by language, with the number of utterances."""
    counts = {}
    for language in sorted({u.source_language for u in utterances}):
        references = {u.id: u.transcript or "" for u in utterances if u.source_language == language}
        hypotheses = {u.id: t for u, t in zip(utterances, texts, strict=True) if u.id in references}
        scores = recognition_scores(references, hypotheses, language=language, n_total=len(references))
        counts[f"{language} ({len(references)})"] = f"{scores['wer'].value:.2f}"
    return counts


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality recognition", description=__doc__)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    utterances = load_recordings()[: options.limit]
    reference = theirs(utterances)
    texts = [result["text"].strip() for result in reference]
    results = {name: ours(utterances, settings) for name, settings in VARIANTS.items()}
    same = {name: sum(a.text == b for a, b in zip(row, texts, strict=True)) for name, row in results.items()}
    rows = {"openai-whisper, greedy": word_error_counts(utterances, texts)}
    rows |= {
        f"Antiphon, {name}": word_error_counts(utterances, [h.text for h in row])
        for name, row in results.items()
    }
    languages = list(next(iter(rows.values())))
    n = len(utterances)
    lines = [
        "# Recognition, Whisper base: the same text as openai-whisper",
        "",
        f"`python -m benchmarks.quality recognition`: {n} human recordings ({seconds_of(utterances):.0f} s), "
        "language given, timestamps, no previous text, the same thresholds and temperatures. WER in percent, "
        "corpus level, the metrics room's normalizer for the language; in brackets the utterances.",
        "",
        f"Same text, character for character: **{same[FIRST]} of {n} ({100 * same[FIRST] / n:.1f}%)**.",
        "",
        "| system | same text | " + " | ".join(languages) + " |",
        "|---|---|" + "---|" * len(languages),
    ]
    for name, row in rows.items():
        count = same.get(name.removeprefix("Antiphon, "), n)
        lines.append(f"| {name} | {count} | " + " | ".join(row[c] for c in languages) + " |")
    lines += ["", "## Differences of greedy, float32", ""]
    for utterance, hypothesis, result in zip(utterances, results[FIRST], reference, strict=True):
        if hypothesis.text != result["text"].strip():
            hottest = max((s["temperature"] for s in result["segments"]), default=0.0)
            lines += [
                f"- `{utterance.id}` (temperature ours {hypothesis.features['temperature']:.1f}, "
                f"theirs {hottest:.1f})",
                f"  - ours: {hypothesis.text}",
                f"  - theirs: {result['text'].strip()}",
            ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
