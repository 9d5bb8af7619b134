"""The statistics of one shard of texts: a line per unit, which has the counts of every metric that scores it.

What is sealed is found again by the shards that it was counted from: of a data set with 1% more rows, 1% of
the statistics are counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from components.analysis.buckets import properties_of
from components.analysis.measuring.protocol import Protocol
from components.analysis.texts_to_score import align_records
from components.compute.profiling import measure_cost
from components.metrics.scoring_units import ScoringUnits
from components.metrics.statistics.corpus_statistics import CorpusStatistics, measure
from components.pipeline.items.shard_items import read_outcomes
from components.records import Hypothesis, NBest, Record, Utterance
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader, encode_shard, shard_key
from components.storage.shards.tallies import Tallies
from components.storage.stages.reader import parse_utterance, read_shards
from components.storage.store import Store

KIND = "statistics"
UNITS, GROUPS, APART, SCOPE = "units", "group:", "apart", "scope:"
"""What is counted over the lines: units that were added and their names, utterances by property, utterances
that a metric leaves out, and languages with numbers of references that it scored."""
ADDED = "added"


class ShardToMeasure(Record):
    """A shard of texts beside the shard of the data set that it was made of.

    Attributes:
        key: under which its statistics are stored.
        data: key of the shard of the data set.
        records: how many the data set's shard has.
        texts: key of the shard of texts; None where these lie in a stage made in one piece.
        stage: that stage, as JSON.
        read: what is read, as the header states it.
    """

    key: str
    data: str
    records: int
    texts: str | None
    stage: str = ""
    read: dict[str, tuple[str, str]]


def list_shards(protocol: Protocol, data: StageRef, texts: StageRef) -> list[ShardToMeasure]:
    """Return the shards of a stage of texts, each with what it is measured against."""
    of_data, of_texts = read_shards(data), read_shards(texts)
    is_parallel = len(of_data) == len(of_texts)
    listed = []
    for number, shard in enumerate(of_data):
        own = of_texts[number] if is_parallel else None
        read = {
            "data": (shard.identity, ""),
            "texts": (own.key, own.sha256) if own is not None else (texts.key, texts.sha256),
        }
        listed.append(
            ShardToMeasure(
                key=shard_key(protocol.fingerprint, {role: identity for role, (identity, _) in read.items()}),
                data=shard.key,
                records=shard.ok + shard.quarantined,
                texts=None if own is None else own.key,
                stage=texts.model_dump_json() if own is None else "",
                read=read,
            )
        )
    return listed


def measure_shard(store: Store, protocol: Protocol, shard: ShardToMeasure) -> ShardHeader:
    """Return the statistics of a shard as they are stored; they are counted unless they are there."""
    with store.backend.hold_local_lock(shard.key, f"{KIND} {shard.key[:12]}"):
        found = store.find_shard(shard.key, shard.read)
        if found is not None:
            return found
        with measure_cost() as cost:
            lines, tallies = _measure(store, protocol, shard)
        header, content = encode_shard(
            lines,
            key=shard.key,
            stage=KIND,
            kind=KIND,
            fingerprint=protocol.fingerprint,
            read=shard.read,
            seconds=round(cost.seconds, 6),
            peak_memory_bytes=cost.peak_memory_bytes,
            tallies=tallies,
        )
        return store.add_shard(header, content)


def _measure(store: Store, protocol: Protocol, shard: ShardToMeasure) -> tuple[list[str], Tallies]:
    folder = store.stages / "data"
    lines = store.read_lines(shard.data)
    utterances = [parse_utterance(line, folder) for ok, line in lines if ok]
    best = _read_texts(store, shard, utterances)
    aligned = align_records(utterances, best, protocol.languages, shard.records)
    tallies: Tallies = {}
    for utterance in utterances:
        for name, value in properties_of(utterance)._asdict().items():
            counted = tallies.setdefault(f"{GROUPS}{name}", {})
            counted[json.dumps(value)] = counted.get(json.dumps(value), 0) + 1
    if aligned is None:
        return [], tallies
    tallies[UNITS] = {ADDED: aligned.units.added, **dict.fromkeys(aligned.units.unit_names, 1)}
    rows = [*protocol.counted, *protocol.of_terms]
    measured = (measure(metric, aligned.segments, len(aligned.segments)) for metric in rows)
    tables = [table for table in measured if table is not None]
    tallies[APART] = {metric.name: n for metric in rows if (n := metric.count_apart(aligned.segments))}
    for table in tables:
        scope = {json.dumps(list(pair)): 1.0 for pair in sorted(table.scope)}
        tallies[f"{SCOPE}{table.metric.name}"] = scope
    return list(_encode_lines(utterances, aligned.units, tables)), tallies


def _read_texts(
    store: Store, shard: ShardToMeasure, utterances: Sequence[Utterance]
) -> dict[str, Hypothesis]:
    if shard.texts is None:
        outcomes = read_outcomes(StageRef.model_validate_json(shard.stage), "text", utterances).values()
        return {each.utterance_id: each.best for each in outcomes if isinstance(each, NBest)}
    lines = store.read_lines(shard.texts)
    nbests = (NBest.model_validate_json(line) for ok, line in lines if ok)
    return {nbest.utterance_id: nbest.best for nbest in nbests}


def _encode_lines(
    utterances: Sequence[Utterance], units: ScoringUnits, tables: Sequence[CorpusStatistics]
) -> Iterator[str]:
    """Yield a line per unit, or whole recording, that any metric scores, in the order of the utterances."""
    rows: dict[str, dict[str, list[float]]] = {}
    for table in tables:
        for key, row in zip(table.ids, table.rows.tolist(), strict=True):
            rows.setdefault(key, {})[table.metric.name] = list(map(_shorten, row))
    for utterance in utterances:
        properties = properties_of(utterance)
        for key in dict.fromkeys((utterance.id, *units.ids_of([utterance.id]))):
            if key in rows:
                line: dict[str, Any] = {"id": key}
                line |= {"of": utterance.id} if key != utterance.id else {}
                yield json.dumps(line | {"in": properties, "rows": rows[key]}, ensure_ascii=False)


def _shorten(number: float) -> float:
    return int(number) if number.is_integer() else number
