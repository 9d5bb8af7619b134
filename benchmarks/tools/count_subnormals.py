"""Where subnormal numbers arise, and what flushing saves: ``python -m benchmarks.tools.count_subnormals``.

Recognition, translation, ensembles and experts run on a few inputs: once counted, then timed (CPU seconds)
with torch's own flushing off and on by turns. ``ANTIPHON_KERNELS=onednn`` in the environment leaves
our kernels out. One thread.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator

import torch

from benchmarks.common.cpu_timer import cpu_seconds
from benchmarks.common.manifest import processor_name
from benchmarks.common.subnormals import counted_subnormals
from benchmarks.common.tables import markdown_table
from benchmarks.speed.experts import make_layers
from components import data
from components.decoding.member_settings import MixingConfig
from components.ensembling.token_level.factory import build_translator as build_ensemble
from components.kernels.llvm.native_code import supports_native
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build as build_recognizer
from components.records import Utterance
from components.translation.config import TranslationConfig
from components.translation.ensemble_config import DROPOUT_PREFIX
from components.translation.factory import build as build_translator

RECOGNIZER, TRANSLATOR = "packaged:whisper-base", "packaged:multi30k-en-de"
DTYPES = ("float32", "bfloat16", "int8")
Call = Callable[[], object]


def workloads(sample: list[Utterance]) -> Iterator[tuple[str, Call]]:
    """Name and call of everything that is counted."""
    texts = [u.model_copy(update={"text": u.transcript, "target_language": "de"}) for u in sample]
    settings = {"device": "cpu", "beam_size": 5, "n_best": 1}
    for dtype in DTYPES:
        config = RecognitionConfig.model_validate({**settings, "model": RECOGNIZER, "dtype": dtype})
        recognizer = build_recognizer(config)
        yield f"recognition, {dtype}", lambda r=recognizer: r.recognize(sample)  # type: ignore[misc]
        translation = TranslationConfig.model_validate({**settings, "model": TRANSLATOR, "dtype": dtype})
        translator = build_translator(translation)
        yield f"translation, {dtype}", lambda t=translator: t.translate(texts)  # type: ignore[misc]
    translation = TranslationConfig.model_validate({**settings, "model": TRANSLATOR})
    members = [TRANSLATOR, DROPOUT_PREFIX + TRANSLATOR]
    for method in ("linear", "log_linear"):
        ensemble = build_ensemble(translation, members, MixingConfig.model_validate({"method": method}))
        yield f"ensemble, {method}", lambda e=ensemble: e.translate(texts)  # type: ignore[misc]
    layers, x = make_layers(512, torch.float32), torch.randn(1, 512, 512)
    for name in ("ours", "packed"):
        yield f"experts, {name}", torch.inference_mode()(lambda n=name: layers[n](x))


def time_flushing(call: Call, rounds: int) -> list[float]:
    """Median CPU seconds with torch's flushing off and on."""
    spent: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for is_on, seconds in spent.items():
            torch.set_flush_denormal(is_on)
            seconds.append(cpu_seconds(call, 1))
    torch.set_flush_denormal(False)
    return [statistics.median(seconds) for seconds in spent.values()]


def main() -> None:
    """Print one table of seconds and one of the places where subnormal numbers are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tools.count_subnormals")
    parser.add_argument("--limit", type=int, default=8, help="recordings and texts of the sample set")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="workloads whose names begin so")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sample = list(data.load("sample", limit=options.limit).utterances)
    times, places = [], []
    for name, call in workloads(sample):
        if not name.startswith(options.only):
            continue
        call()
        with counted_subnormals() as counts:
            call()
        for place, count in sorted(counts.items(), key=lambda item: -item[1].subnormal):
            if count.subnormal:
                share = f"{100 * count.subnormal / count.numbers:.4f}"
                places.append([name, *place, f"{count.subnormal:,}", share])
        total = sum(count.numbers for count in counts.values())
        seconds = [f"{median:.2f}" for median in time_flushing(call, options.rounds)]
        times.append([name, f"{total:,}", f"{sum(c.subnormal for c in counts.values()):,}", *seconds])
        print(*times[-1], flush=True)
    print(f"\n{processor_name()}, {'our' if supports_native() else 'oneDNN'} kernels\n")
    print(markdown_table(["workload", "numbers", "subnormal", "CPU s", "flushed"], times), "\n")
    print(markdown_table(["workload", "module", "operator", "side", "subnormal", "%"], places))


if __name__ == "__main__":
    main()
