"""The signals of every stage of a run: of the data, of texts, of routes, of what failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components import audio
from components.analysis.run_outputs import data_of, language_of
from components.errors import AntiphonError
from components.files.files import read_json, write_json
from components.metrics.statistics.corpus_statistics import text_statistics
from components.monitoring.drift import sound
from components.monitoring.drift.texts import measure_text
from components.pipeline.pipeline import DATA
from components.records import NBest, Route, Utterance
from components.run_record import NodeRecord, RunRecord, StageRef
from components.storage.stages.reader import (
    parse_utterance,
    read_lines_of,
    read_nbests_by_id,
    read_quarantined,
    read_shard,
    read_shards,
    read_utterances,
    store_of,
)
from components.storage.stages.stage_plan import StagePlan, library_versions
from components.storage.stages.whole_stage import StageFiles, compute_once
from components.storage.store import Store
from components.text.languages import is_undetermined
from components.text.text_confidence import ESTIMATES

SOUND_FILE = "sound.json"
WAY = "way "
"""Beginning of the signals of a route: 1 where an utterance went that way, missing where not."""
Values = dict[str, dict[str, float]]
"""Utterance id -> signal -> number."""


@dataclass
class Signals:
    """The signals of one stage.

    Attributes:
        stage: name of the node.
        kind: of the node.
        values: of each utterance.
        texts: utterance id -> text, of a text node.
        passes_on: whether these are texts of the nodes that it reads, whose signals are told there.
        languages: utterance id -> language of the text, where it is known.
        errors: utterance id -> statistics of its score (WER), where there is a reference transcript.
    """

    stage: str
    kind: str
    values: Values = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    passes_on: bool = False
    languages: dict[str, str | None] = field(default_factory=dict)
    errors: dict[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass
class Measured:
    """The utterances of a run in order, those that could not be read last, and the signals of its stages."""

    ids: list[str]
    stages: list[Signals]
    utterances: dict[str, Utterance]


def measure_stages(run: RunRecord, store: Store) -> Measured:
    """Read the signals of all stages of a run, upstream first.

    Raises:
        DataError: the run has no data set.
    """
    measured = measure_data(run, store)
    stages, utterances = measured.stages, measured.utterances
    refs = {ref.stage: ref for ref in run.stages}
    nbests: dict[str, dict[str, NBest]] = {}
    for node in run.pipeline.of_data():
        ref = refs.get(node.name)
        if ref is None or node.output == "speech":
            continue
        if node.output == "text":
            nbests[node.name] = read_nbests_by_id(ref)
            signals = _measure_texts(run, node, utterances, nbests)
        else:
            signals = _measure_ways(node, ref)
        for outcome in read_quarantined(ref):
            signals.values.setdefault(outcome.utterance_id, {})["quarantined"] = 1.0
        stages.append(signals)
    return measured


def measure_data(run: RunRecord, store: Store) -> Measured:
    """Read the signals of a run's data set alone; the sound of each shard is measured once.

    Raises:
        DataError: the run has no data set.
    """
    data = data_of(run)
    utterances = {utterance.id: utterance for utterance in read_utterances(data)}
    refused = [each.utterance_id for each in read_quarantined(data)]
    signals = _measure_data(data, utterances, refused, store)
    return Measured([*utterances, *dict.fromkeys(refused)], [signals], utterances)


def _measure_data(
    data: StageRef, utterances: Mapping[str, Utterance], refused: Sequence[str], store: Store
) -> Signals:
    signals = Signals(DATA, DATA, read_sounds(data, store))
    for key, utterance in utterances.items():
        values = signals.values.setdefault(key, {})
        values["quarantined"] = 0.0
        if utterance.audio is not None:
            values["seconds"] = utterance.audio.seconds
        elif utterance.text is not None:
            values["characters"] = float(len(utterance.text))
    signals.values |= {key: {"quarantined": 1.0} for key in refused}
    signals.languages = {key: _known(utterance.source_language) for key, utterance in utterances.items()}
    return signals


def _known(language: str) -> str | None:
    return None if is_undetermined(language) else language


def read_sounds(data: StageRef, store: Store) -> Values:
    """Return the signals of all recordings of a data set; each shard is measured once and kept as a stage."""
    found: Values = {}
    for shard in read_shards(data):
        plan = StagePlan(
            stage="sound",
            kind="sound",
            version=str(sound.VERSION),
            inputs={"shard": shard.key},
            libraries=library_versions(("av", "numpy")),
        )

        def measure(folder: Path, key: str = shard.key) -> StageFiles:
            values = dict(_measure_shard(data, key))
            write_json(folder / SOUND_FILE, values)
            return StageFiles([SOUND_FILE], items=len(values))

        found |= read_json(Path(compute_once(store, plan, measure).path) / SOUND_FILE)
    return found


def _measure_shard(data: StageRef, key: str) -> Iterator[tuple[str, dict[str, float]]]:
    for is_ok, line in read_shard(store_of(data), key):
        utterance = parse_utterance(line, Path(data.path)) if is_ok else None
        if utterance is not None and utterance.audio is not None:
            try:
                yield utterance.id, sound.measure_sound(audio.decode(utterance.audio))
            except (AntiphonError, OSError):  # a recording that is gone has no signals; its texts have
                continue


def _measure_texts(
    run: RunRecord,
    node: NodeRecord,
    utterances: Mapping[str, Utterance],
    nbests: Mapping[str, Mapping[str, NBest]],
) -> Signals:
    signals = Signals(node.name, node.kind)
    own = nbests[node.name]
    above = [name for name in node.inputs if name in nbests]
    is_translation = not node.transcribes
    for key, nbest in own.items():
        utterance = utterances.get(key)
        if utterance is None:
            continue
        source = next((nbests[name][key].best.text for name in above if key in nbests[name]), utterance.text)
        others = {name: nbests[name][key] for name in _alike(run, node, nbests) if key in nbests[name]}
        seen = utterance.model_copy(update={"text": source if is_translation else None})
        signals.values[key] = {"quarantined": 0.0, **measure_text(nbest, seen, others)}
        signals.texts[key] = nbest.best.text
        signals.languages[key] = _known(nbest.language or language_of(run, node, utterance))
    signals.passes_on = _passes_on(signals.texts, above, nbests)
    if signals.passes_on:
        signals.values = {
            key: {name: value for name, value in of.items() if name == "quarantined" or name in ESTIMATES}
            for key, of in signals.values.items()
        }
    if node.transcribes:
        signals.errors = _count_errors(utterances, signals.texts)
    return signals


def _alike(run: RunRecord, node: NodeRecord, nbests: Mapping[str, object]) -> list[str]:
    """Return the nodes above it in the graph whose texts are other systems', in the same language."""
    nodes = [run.pipeline.node(name) for name in nbests if name != node.name]
    return [
        other.name
        for other in nodes
        if other is not None
        and other.language == node.language
        and other.name not in node.inputs
        and node.name not in other.inputs
    ]


def _passes_on(
    texts: Mapping[str, str], above: Sequence[str], nbests: Mapping[str, Mapping[str, NBest]]
) -> bool:
    """Return whether every text is one of those that the node reads: then its signals are theirs."""
    return bool(above) and all(
        any(key in nbests[name] and nbests[name][key].best.text == text for name in above)
        for key, text in texts.items()
    )


def _measure_ways(node: NodeRecord, ref: StageRef) -> Signals:
    """Read a table of ways: whether each utterance went each way, and the number that decided."""
    ways = {
        route.utterance_id: route for route in map(Route.model_validate, map(json.loads, read_lines_of(ref)))
    }
    signals = Signals(node.name, node.kind)
    is_number = len({route.branch for route in ways.values()}) == 1
    for key, route in ways.items():
        values = {"quarantined": 0.0, f"{WAY}{route.branch}": 1.0}
        signals.values[key] = values | (
            {"value": route.value} if is_number and route.value is not None else {}
        )
    return signals


def _count_errors(
    utterances: Mapping[str, Utterance], texts: Mapping[str, str]
) -> dict[str, tuple[float, ...]]:
    references = {
        key: (utterance.transcript,)
        for key, utterance in utterances.items()
        if utterance.transcript is not None and key in texts
    }
    languages = {key: utterances[key].source_language for key in references}
    tables = text_statistics(references, texts, language=languages, n_total=len(utterances), names=["wer"])
    return {
        key: tuple(row)
        for table in tables.values()
        for key, row in zip(table.ids, table.rows.tolist(), strict=True)
    }
