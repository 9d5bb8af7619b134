"""What Prefect and the store cost: the cascade flow against the same component calls in a bare loop.

`python -m benchmarks.system.orchestration` runs both in turn, each in a process of its own, and writes
docs/results/orchestration.md. The start-up of the ephemeral Prefect server is measured apart.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.common.paths import RESULTS, ROOT

OUT = RESULTS / "orchestration.md"
ASR: dict[str, Any] = {"beam_size": 1, "n_best": 1}


def run_bare_loop(manifest: Path, folder: Path) -> dict[str, float]:
    """The component calls of the cascade, shard by shard, with outputs appended to plain files."""
    from components.data import load
    from components.metrics.recognition import recognition_scores
    from components.metrics.translation import translation_scores
    from components.pipeline.planning import shard_size
    from components.recognition import factory as recognition
    from components.recognition.config import RecognitionConfig
    from components.records import NBest, Utterance
    from components.translation import factory as translation
    from components.translation.config import TranslationConfig

    start = time.perf_counter()
    utterances = load(str(manifest)).utterances
    recognizer = recognition.build(RecognitionConfig(**ASR))
    translator = translation.build(TranslationConfig())
    best: dict[str, dict[str, str]] = {"asr": {}, "mt": {}}
    transcribed: list[Utterance] = []
    size = shard_size(len(utterances))

    def shards(items: Sequence[Utterance]) -> Iterator[tuple[Utterance, ...]]:
        rest = iter(items)
        return iter(lambda: tuple(islice(rest, size)), ())

    loaded = time.perf_counter()
    with (folder / "asr.jsonl").open("w", encoding="utf-8") as file:
        for shard in shards(utterances):
            for utterance, outcome in zip(shard, recognizer.recognize(shard), strict=True):
                file.write(outcome.model_dump_json() + "\n")
                if isinstance(outcome, NBest):
                    best["asr"][utterance.id] = outcome.best.text
                    transcribed.append(utterance.model_copy(update={"text": outcome.best.text}))
    recognized = time.perf_counter()
    with (folder / "mt.jsonl").open("w", encoding="utf-8") as file:
        for shard in shards(transcribed):
            for outcome in translator.translate(shard):
                file.write(outcome.model_dump_json() + "\n")
                if isinstance(outcome, NBest):
                    best["mt"][outcome.utterance_id] = outcome.best.text
    translated = time.perf_counter()
    total = len(utterances)
    transcripts = {u.id: u.transcript for u in utterances if u.transcript is not None}
    recognition_scores(transcripts, best["asr"], language="en", n_total=total)
    references = {u.id: u.references for u in utterances if u.references}
    translation_scores(references, best["mt"], language="de", n_total=total)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "asr": recognized - loaded, "mt": translated - recognized}


def run_under_prefect(manifest: Path, folder: Path) -> dict[str, float]:
    """The cascade flow, after the ephemeral server was started by a flow that does nothing."""
    from flows.server import settings  # noqa: F401 - before Prefect is imported

    start = time.perf_counter()
    from prefect import flow

    @flow(name="nothing")
    def nothing() -> None:
        return None

    nothing()
    # As in the bare loop, imports are before the clock; the flow itself imports what its nodes need.
    import components.metrics.recognition
    import components.metrics.translation
    import components.recognition.factory
    import components.translation.factory  # noqa: F401
    from flows.cascade import cascade

    started = time.perf_counter()

    options = {"data": str(manifest), "store": str(folder / "store"), "asr": ASR}
    record = cascade(**options, name="first")
    first = time.perf_counter()
    cascade(**options, name="again")
    return {
        **{ref.stage: ref.seconds for ref in record.stages},
        "startup": started - start,
        "seconds": first - started,
        "again": time.perf_counter() - first,
    }


CHILDREN = {"bare": run_bare_loop, "prefect": run_under_prefect}


def run_child(kind: str, manifest: Path) -> dict[str, float]:
    """Run one measurement in a process of its own, with a Prefect home of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PREFECT_HOME": str(Path(folder) / "prefect")}
        command = [sys.executable, "-m", "benchmarks.system.orchestration", "--child", kind]
        command += ["--manifest", str(manifest), "--folder", folder]
        process = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        return dict(json.loads(process.stdout.decode().strip().splitlines()[-1]))


def format_page(rounds: list[tuple[dict[str, float], dict[str, float]]], count: int) -> str:
    """The results page."""
    ratios = [flow["seconds"] / loop["seconds"] for loop, flow in rounds]
    lines = [
        "# What orchestration costs",
        "",
        f"`python -m benchmarks.system.orchestration --utterances {count} --rounds {len(rounds)}`, "
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}. The cascade (Whisper "
        "base greedy, English-German beam 5) on the sample set repeated, as a Prefect flow with the store, "
        "metrics, report and artifacts, against the same component calls in a loop that appends to plain "
        "files (with the same scores). Each in a fresh process, in turn; seconds, model loading included, "
        "imports not; the report and its plots are written by the flow only. Calls: recognition and "
        "translation alone, as each side measures them. Start-up: server and imports.",
        "",
        "| round | bare loop | flow | ratio | calls, loop | calls, flow | unchanged rerun | start-up |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for number, ((loop, flow), ratio) in enumerate(zip(rounds, ratios, strict=True), start=1):
        lines.append(
            f"| {number} | {loop['seconds']:.1f} | {flow['seconds']:.1f} | {ratio:.3f} "
            f"| {loop['asr'] + loop['mt']:.1f} | {flow['asr'] + flow['mt']:.1f} "
            f"| {flow['again']:.1f} | {flow['startup']:.1f} |"
        )
    lines += ["", f"Median ratio: **{statistics.median(ratios):.3f}** (bar: at most 1.03).", ""]
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark, or one measurement of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    parser.add_argument("--manifest", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        times = CHILDREN[options.child](options.manifest, options.folder)
        print(json.dumps(times))
        return
    from benchmarks.common.repeat_manifest import write_manifest

    with tempfile.TemporaryDirectory() as folder:
        manifest = write_manifest(Path(folder) / "manifest.jsonl", options.utterances, longest=15.0)
        rounds = [
            (run_child("bare", manifest), run_child("prefect", manifest)) for _ in range(options.rounds)
        ]
    OUT.write_text(format_page(rounds, options.utterances), encoding="utf-8")
    print(OUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
