"""What Prefect and the store cost: the cascade flow against the same component calls in a bare loop.

Both run in turn, each in a process of its own. The start-up of the ephemeral Prefect server is measured
apart.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.paths import ROOT
from benchmarks.common.sections import Result, option

PAGE = "orchestration"
ASR: dict[str, Any] = {"beam_size": 1, "n_best": 1}
OPTIONS = {"utterances": option(320), "rounds": option(3)}


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Seconds of both sides in every round."""
    from benchmarks.common.repeat_manifest import write_manifest

    with tempfile.TemporaryDirectory() as folder:
        manifest = write_manifest(Path(folder) / "manifest.jsonl", options.utterances, longest=15.0)
        rounds: list[dict[str, Any]] = [
            {kind: run_child(kind, manifest) for kind in CHILDREN} for _ in range(options.rounds)
        ]
    for times in rounds:
        times["ratio"] = times["prefect"]["seconds"] / times["bare"]["seconds"]
    yield Result("rounds", {"utterances": options.utterances, "rounds": rounds})


def run_bare_loop(manifest: Path, folder: Path) -> dict[str, float]:
    """The component calls of the cascade, shard by shard, with outputs appended to plain files."""
    from components.data import load
    from components.data.cutting import cut_shards
    from components.data.dataset import row_of
    from components.metrics.error_rates.recognition import recognition_scores
    from components.metrics.translation_quality.translation import translation_scores
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

    def shards(items: Sequence[Utterance]) -> Iterator[list[Utterance]]:
        for shard in cut_shards(map(row_of, items)):
            yield [row.record for row in shard if isinstance(row.record, Utterance)]

    loaded = time.perf_counter()
    with (folder / "asr.jsonl").open("w", encoding="utf-8") as file:
        for shard in shards(utterances):
            for utterance, outcome in zip(shard, recognizer.recognize(shard), strict=True):
                file.write(outcome.model_dump_json() + "\n")
                if isinstance(outcome, NBest):
                    best["asr"][utterance.id] = outcome.best.text
                    transcribed.append(utterance.model_copy(update={"text": outcome.best.text}))
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
    return {"seconds": seconds, "calls": translated - loaded}


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
    import components.metrics.error_rates.recognition
    import components.metrics.translation_quality.translation
    import components.recognition.factory
    import components.translation.factory  # noqa: F401
    from flows.preset_flow import cascade

    started = time.perf_counter()

    options = {"data": str(manifest), "store": str(folder / "store"), "asr": ASR}
    record = cascade(**options, name="first")
    first = time.perf_counter()
    cascade(**options, name="again")
    calls = {stage.stage: stage.seconds for stage in record.stages}
    return {
        "calls": calls["asr"] + calls["mt"],
        "startup": started - start,
        "seconds": first - started,
        "again": time.perf_counter() - first,
    }


CHILDREN = {"bare": run_bare_loop, "prefect": run_under_prefect}


def run_child(kind: str, manifest: Path) -> dict[str, float]:
    """Run one measurement in a process of its own, with a Prefect home of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PREFECT_HOME": str(Path(folder) / "prefect")}
        command = [sys.executable, "-m", "benchmarks.system.orchestration", kind, str(manifest), folder]
        process = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        return dict(json.loads(process.stdout.decode().strip().splitlines()[-1]))


if __name__ == "__main__":  # one side of a round, in a process of its own
    side, data_manifest, work = sys.argv[1:]
    print(json.dumps(CHILDREN[side](Path(data_manifest), Path(work))))
