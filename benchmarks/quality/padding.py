"""The padding of short recordings: fewer positions (``asr.padding_stride``) or a shorter window.

What they save, how far they move the encoder's states of the speech, and what they cost in WER.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.recordings import decode_audio, load_recordings
from benchmarks.common.sections import Result, section_parser
from benchmarks.common.word_errors import recordings_of, word_error_rates
from components.records import Utterance

if TYPE_CHECKING:
    from torch import Tensor

    from components.recognition.whisper.encoder import WhisperEncoder

PAGE = "padding"
MODEL = "packaged:whisper-base"
WAYS: dict[str, dict[str, float]] = {
    "all positions": {"padding_stride": 1},
    **{f"every {n}.": {"padding_stride": n} for n in (2, 3, 4, 5, 6)},
    "window of 15 s": {"window_seconds": 15},
    "window of 10 s": {"window_seconds": 10},
}
BEAMS = (1, 5)


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    section = section_parser("benchmarks.quality padding", __doc__)
    section.add_argument("--limit", type=int, help="recordings at most")
    return section


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """The drift of every fifth recording; then, by search and padding, the texts and CPU seconds of all."""
    utterances = load_recordings()[: options.limit]
    yield Result("drift", measure_drifts(utterances[::5]), [MODEL])
    recordings = recordings_of(utterances)
    systems: dict[str, dict[str, Any]] = {}
    seconds: dict[str, float] = {}
    for beam in BEAMS:
        whole: list[str] = []
        for name, way in WAYS.items():
            system = f"beam {beam}, {name}"
            settings = {"model": MODEL, "beam_size": beam, "n_best": 1, **way}
            lists, seconds[system] = recognize_cached(settings, utterances)
            texts = [lists[u.id].best.text for u in utterances]
            whole = whole or texts
            same = sum(a == b for a, b in zip(texts, whole, strict=True))
            systems[system] = {
                "same": same, "wer": word_error_rates(recordings, texts), "texts": texts
            }  # fmt: skip
            print(f"{seconds[system]:.0f} s, {system}", flush=True)
    yield Result("texts", {"recordings": recordings, "systems": systems}, [MODEL])
    yield Result("seconds", seconds, [MODEL])


def measure_drifts(utterances: Sequence[Utterance]) -> dict[str, dict[str, float]]:
    """Padding -> distance of the states of the speech from the whole window's, in percent of the norm."""
    import torch

    from components.models import resolve
    from components.models.loaders.whisper_loading import load_whisper
    from components.recognition.whisper.encoder import WhisperEncoder
    from components.recognition.whisper.windows.features import compute_log_mel, cut_window
    from components.recognition.whisper.windows.padding import count_audio_positions

    encoder = WhisperEncoder(load_whisper(resolve(MODEL)))
    distances: dict[str, list[float]] = {name: [] for name in WAYS}
    with torch.inference_mode():
        for utterance in utterances:
            mel = cut_window(compute_log_mel(decode_audio(utterance)), 0)[None]
            speech = count_audio_positions(mel)[0]
            whole = encoder(mel)[0, :speech]
            for name, way in WAYS.items():
                states = _encode(encoder, mel, way, speech)[:speech]
                distances[name].append(100 * float((states - whole).norm() / whole.norm()))
    return {name: {"mean": statistics.mean(own), "most": max(own)} for name, own in distances.items()}


def _encode(encoder: WhisperEncoder, mel: Tensor, way: dict[str, float], speech: int) -> Tensor:
    """States of one window whose padding is shortened."""
    if "padding_stride" in way:
        return encoder.encode_with_summarized_padding(mel, int(way["padding_stride"]))[0][0]
    return encoder(mel[:, :, : max(int(100 * way["window_seconds"]), 2 * speech)])[0]
