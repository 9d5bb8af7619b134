"""The padding of short recordings: fewer positions (``asr.padding_stride``) or a shorter window.

What they save, how far they move the encoder's states of the speech, and what they cost in WER.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.paths import RESULTS
from benchmarks.common.recordings import decode_audio, load_recordings, seconds_of
from benchmarks.common.tables import markdown_table
from benchmarks.quality.recognition import word_error_counts
from components.models import resolve
from components.models.loading import load_whisper
from components.recognition.whisper.encoder import WhisperEncoder
from components.recognition.whisper.features import compute_log_mel, cut_window
from components.recognition.whisper.padding import count_audio_positions
from components.records import Utterance

MODEL = "packaged:whisper-base"
OUT = RESULTS / "padding.md"
WAYS: dict[str, dict[str, float]] = {
    "all positions": {"padding_stride": 1},
    **{f"every {n}.": {"padding_stride": n} for n in (2, 3, 4, 5, 6)},
    "window of 15 s": {"window_seconds": 15},
    "window of 10 s": {"window_seconds": 10},
}
BEAMS = (1, 5)


@torch.inference_mode()
def measure_drifts(utterances: Sequence[Utterance]) -> dict[str, str]:
    """Way -> how far the states of the speech are from the whole window's, mean and most, percent of norm."""
    encoder = WhisperEncoder(load_whisper(resolve(MODEL)))
    distances: dict[str, list[float]] = {name: [] for name in WAYS}
    for utterance in utterances:
        mel = cut_window(compute_log_mel(decode_audio(utterance)), 0)[None]
        speech = count_audio_positions(mel)[0]
        whole = encoder(mel)[0, :speech]
        for name, way in WAYS.items():
            states = few(encoder, mel, way, speech)[:speech]
            distances[name].append(100 * float((states - whole).norm() / whole.norm()))
    return {name: f"{sum(x) / len(x):.1f} ({max(x):.1f})" for name, x in distances.items()}


def few(encoder: WhisperEncoder, mel: Tensor, way: dict[str, float], speech: int) -> Tensor:
    if "padding_stride" in way:
        return encoder.encode_with_summarized_padding(mel, int(way["padding_stride"]))[0][0]
    return encoder(mel[:, :, : max(int(100 * way["window_seconds"]), 2 * speech)])[0]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality padding", description=__doc__)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    utterances = load_recordings()[: options.limit]
    drift = measure_drifts(utterances[::5])
    rows: list[list[str]] = []
    columns: list[str] = []
    whole: dict[int, list[str]] = {}
    for beam in BEAMS:
        for name, way in WAYS.items():
            lists, seconds = recognize_cached(
                {"model": MODEL, "beam_size": beam, "n_best": 1, **way}, utterances
            )
            texts = [lists[u.id].best.text for u in utterances]
            same = sum(a == b for a, b in zip(texts, whole.setdefault(beam, texts), strict=True))
            wer = word_error_counts(utterances, texts)
            columns = list(wer)
            search = "greedy" if beam == 1 else f"beam {beam}"
            rows.append([search, name, f"{seconds:.0f}", drift[name], str(same), *wer.values()])
            print(" | ".join(rows[-1]), flush=True)
    lines = [
        "# Padding in fewer positions, Whisper base",
        "",
        f"`python -m benchmarks.quality padding`: {len(utterances)} human recordings "
        f"({seconds_of(utterances):.0f} s), Antiphon float32, language given. *Every n.*: "
        "`asr.padding_stride`; of a window's padding every n-th position is computed and stands for its "
        "neighbours (4 is the default). *Window*: `asr.window_seconds`; what is longer than it and than "
        "the longest recording of the batch is left out. CPU seconds of the process, one thread. Drift: how "
        "far the encoder's states of the speech are from those of the whole window, in percent of their norm "
        "(every fifth recording; mean, and most in brackets). Same text: as with all positions. WER in "
        "percent, corpus level, the language's normalizer; in brackets the utterances.",
        "",
        markdown_table(["search", "padding", "CPU s", "drift", "same text", *columns], rows),
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
