"""What decoding costs a process of its own: CPU and wall seconds with models loaded and warm, and memory.

``python -m components.claims.systems.decoding_cost`` reads models and texts from standard input.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from components.compute import profiling
from components.decoding.member_settings import MixingConfig
from components.errors import AntiphonError, ModelError
from components.records import Utterance
from components.translation.config import TranslationConfig

WARM = 20
"""The last texts, which are translated before the clock starts."""


def measure_apart(
    models: Sequence[object], texts: Sequence[str], languages: tuple[str, str]
) -> dict[str, float]:
    """Measure CPU and wall seconds of decoding, and MB above the empty process, in a process of its own."""
    request = json.dumps({"models": [str(m) for m in models], "texts": list(texts), "languages": languages})
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=request, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        errors = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ModelError(f"cost of {' + '.join(map(str, models))}: cannot be measured: {errors[-1]}")
    numbers: Mapping[str, float] = json.loads(done.stdout.splitlines()[-1])
    return dict(numbers)


def measure(models: Sequence[str], texts: Sequence[str], languages: tuple[str, str]) -> dict[str, float]:
    """Return the same, in this process."""
    importlib.import_module("transformers")
    from components.ensembling.token_level.factory import build_translator  # noqa: PLC0415 - imports torch
    from components.translation.factory import build  # noqa: PLC0415 - imports torch

    utterances = [
        Utterance(id=str(n), text=text, source_language=languages[0], target_language=languages[1])
        for n, text in enumerate(texts)
    ]
    with profiling.measure_cost() as before:
        pass
    with profiling.measure_cost() as cost:  # ru_maxrss would be that of the process that started this one
        config = TranslationConfig(model=models[0], beam_size=5, n_best=1, batch_size=64, device="cpu")
        translator = (
            build(config) if len(models) == 1 else build_translator(config, list(models), MixingConfig())
        )
        translator.translate(utterances[-WARM:])
        cpu, wall = time.process_time(), time.perf_counter()
        translator.translate(utterances[:-WARM])
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    megabytes = (cost.peak_memory_bytes - before.peak_memory_bytes) / 1e6
    return {"cpu": cpu, "wall": wall, "megabytes": megabytes}


if __name__ == "__main__":
    from components.compute.device import use_threads

    with use_threads(1):
        request = json.load(sys.stdin)
        try:
            numbers_of_all = measure(request["models"], request["texts"], tuple(request["languages"]))
        except AntiphonError as error:
            sys.exit(str(error))
        sys.stdout.write(json.dumps(numbers_of_all) + "\n")
