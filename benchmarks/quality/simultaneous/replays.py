"""Replays of recordings under policies, kept one by one, so that an interrupted measurement goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.quality.simultaneous.recordings import LANGUAGES
from components.analysis.texts_to_score import Languages
from components.metrics.metric import Segments
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.table import get_metric, under_normalizer
from components.pipeline.pipeline import TARGET
from components.records import Utterance
from components.serving.graph import ServedGraph
from components.simultaneous.evaluation import Output, measure_recording, split_delay
from components.simultaneous.records import Replay
from components.simultaneous.replay import Replayer
from components.simultaneous.requirements import choose_policies
from components.text.matching.resegmentation import resegment

CHUNK = 1.0
TRANSLATOR = "packaged:multi30k-en-de"
RECOGNIZERS = {
    "captions": "packaged:whisper-tiny.en",
    "people": "packaged:whisper-tiny.en",
    "people_fr": "packaged:whisper-base",
}
_OF_RECOGNITION = (
    *(f"local_agreement:{n}" for n in (2, 3)),
    *(f"alignatt:{frames}" for frames in (25, 50, 100)),
)
SETTINGS = {
    "captions": (
        *(f"local_agreement:{n}" for n in (2, 3)),
        *(f"asr=alignatt:{frames} mt=alignatt:{words}" for frames, words in ((25, 1), (50, 2), (100, 4))),
    ),
    "people": _OF_RECOGNITION,
    "people_fr": _OF_RECOGNITION,
}
"""Set -> the policies that are compared on it."""
METRIC = {"captions": "bleu", "people": "wer", "people_fr": "wer"}


@dataclass(frozen=True)
class Twin:
    """A set and the graph that answers it.

    Attributes:
        name: of the set.
        graph: the models, loaded.
        output: what is judged.
    """

    name: str
    graph: ServedGraph
    output: Output


def open_twin(name: str) -> Twin:
    """Return the graph of a set: recognizer and translator, or the recognizer alone; greedy recognition."""
    from flows.registry import flow_named
    from flows.serving import Source, open_graph

    translates = name == "captions"
    nodes: dict[str, Any] = {
        "asr": {"kind": "recognize", "model": RECOGNIZERS[name], "beam_size": 1, "n_best": 1}
    }
    outputs = {"transcript": "asr"}
    if translates:
        nodes["mt"] = {"kind": "translate", "of": "asr", "model": TRANSLATOR}
        outputs["translation"] = "mt"
    entry = flow_named("pipeline")
    languages = {"source_language": LANGUAGES[name], **({"target_language": "de"} if translates else {})}
    parameters = entry.parameters.model_validate({"nodes": nodes, "outputs": outputs, **languages})
    chain = tuple(nodes)
    languages_of = Languages(TARGET, "de") if translates else Languages(None, None)
    role = "translation" if translates else "transcript"
    return Twin(
        name, open_graph(Source(name, entry, parameters)), Output(role, chain[-1], chain, languages_of)
    )


def replay_all(twin: Twin, recordings: Sequence[Utterance], work: Path) -> Iterator[dict[str, Any]]:
    """Yield what is rows of each recording under each policy; what an earlier call rows is not computed anew.

    A recording goes through all policies before the next one: wherever it stops, comparisons are paired.
    """
    path = work / f"{twin.name}.jsonl"
    rows = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            rows[row["id"], row["policy"]] = row
    for utterance in recordings:
        for policy in SETTINGS[twin.name]:
            if (utterance.id, policy) not in rows:
                row = _replay(twin, utterance, policy)
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                rows[utterance.id, policy] = row
            yield rows[utterance.id, policy]


def _replay(twin: Twin, utterance: Utterance, policy: str) -> dict[str, Any]:
    replayer = Replayer(twin.graph, choose_policies(policy, twin.graph), CHUNK, threads=2)
    cpu = time.process_time()
    replay = replayer.replay(utterance)
    cpu = time.process_time() - cpu
    if replay.fault:
        raise SystemExit(f"{utterance.id}, {policy}: {replay.fault}")
    node = twin.output.node
    delays = replay.delays(node, clock=True)
    parts = list(split_delay(replay, twin.output.chain))
    misses = [abs(sum(of.values()) - delay) for of, delay in zip(parts, delays, strict=True)]
    return {
        "id": utterance.id,
        "policy": policy,
        "seconds": replay.seconds,
        "text": replay.texts[node],
        "computing": sum(sum(step.seconds.values()) for step in replay.steps),
        "cpu": cpu,
        "erased": replay.erased(node),
        "yaal": _lags(replay, utterance, twin.output, clock=False),
        "yaal_clock": _lags(replay, utterance, twin.output, clock=True),
        "parts": _sum_parts(parts),
        "words": len(parts),
        "parts_miss": max(misses, default=0.0),
        "counts": count(twin.name, utterance, replay.texts[node]),
    }


def _lags(replay: Replay, utterance: Utterance, output: Output, *, clock: bool) -> list[float]:
    """LongYAAL of each segment that has one."""
    lags = (each.yaal for each in measure_recording(replay, utterance, output, clock=clock))
    return [lag for lag in lags if lag is not None]


def _sum_parts(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for of in parts for name in of)
    return {name: sum(of.get(name, 0.0) for of in parts) for name in names}


def count(name: str, utterance: Utterance, text: str) -> list[float]:
    """Return the counts of the set's metric for a recording's text, over the segments of its references."""
    segments = utterance.reference_segments
    language = utterance.target_language or utterance.source_language or "en"
    references = [(s.references[0] if s.references else s.transcript) or "" for s in segments]
    pieces = resegment(text, references, language)
    metric = under_normalizer(get_metric(METRIC[name]), BY_LANGUAGE)
    paired = Segments(
        ids=tuple(map(str, range(len(pieces)))),
        hypotheses=tuple(pieces),
        languages=(language,) * len(pieces),
        references=tuple((reference,) for reference in references),
    )
    return [float(value) for value in metric.statistics(metric.select(paired)).sum(0)]
