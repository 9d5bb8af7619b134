"""Statistics are counted per shard: whatever the cut, scores, intervals and rows are those of the whole."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.analysis.measuring import overview, worker
from components.analysis.measuring.joined_statistics import MeasuredTexts, join_shards, resample_all
from components.analysis.measuring.protocol import Protocol, make_protocol
from components.analysis.measuring.shard_statistics import ShardToMeasure, list_shards, measure_shard
from components.analysis.measuring.worker import measure_shards
from components.analysis.texts_to_score import TextsToScore, align_texts
from components.metrics.normalizers import BY_LANGUAGE
from components.records import Audio, Hypothesis, NBest, NodeOutcome, Quarantined, ReferenceSegment, Utterance
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import finish_stage
from components.storage.store import Store
from tests.components.storage.written import encode_piece, written

SOUND = Audio(path="a.wav", sha256="a" * 64, seconds=3.25, sample_rate=8000)
TERMS = [("Lisbon", "Lissabon")]
LANGUAGES = {"transcript": None, "translation": "target"}


def utterance(number: int) -> Utterance:
    """One of many sorts: without references, silent, written without spaces, in segments, with a term."""
    fields: dict[str, object] = {
        "source_language": ("en", "fr", "ja")[number % 3],
        "transcript": ("", f"we saw {number} dogs near Lisbon")[number % 7 != 0],
        "references": ((), (f"wir sahen {number} Hunde bei Lissabon",), ("Hund", "ein Hund"))[number % 3],
        "speaker": ("ann", "bob", None)[number % 3],
    }
    if number % 5 == 4:
        stretches = [
            ReferenceSegment(start=n, end=n + 1.0, transcript=f"part {n} of it", references=(f"Teil {n}",))
            for n in range(2)
        ]
        fields["reference_segments"] = stretches
    return Utterance.model_validate({"id": f"u{number}", "audio": SOUND, "target_language": "de", **fields})


def text_of(number: int, language: str | None) -> NodeOutcome | None:
    if number % 11 == 10:
        return None
    if number % 13 == 12:
        return Quarantined(utterance_id=f"u{number}", stage="x", reason="r", detail="d")
    texts = {None: f"we saw {number % 4} dogs in Lisbon", "target": f"wir sahen {number % 4} Hund"}
    best = Hypothesis(text=texts[language], score=-1, n_tokens=3, system="s")
    return NBest(utterance_id=f"u{number}", hypotheses=(best,))


def stages(store: Store, groups: Sequence[Sequence[int]], language: str | None) -> tuple[StageRef, StageRef]:
    """A data set and the texts of a node, cut into shards."""
    data, texts = [], []
    for group in groups:
        utterances = [utterance(number) for number in group]
        outcomes = [each for number in group if (each := text_of(number, language)) is not None]
        data.append(encode_piece(StagePlan(stage="data", version="1"), utterances))
        texts.append(encode_piece(StagePlan(stage="mt", kind="translate", version="1"), outcomes))
    refs = []
    for plan, shards in (("data", data), ("mt", texts)):
        stage = StagePlan(stage=plan, version="1").with_shards(header.key for header, _ in shards)
        store.mark_layout()
        refs.append(finish_stage(store, stage, [store.add_shard(*shard) for shard in shards], {}))
    return refs[0], refs[1]


def measured(store: Store, entry: TextsToScore) -> tuple[Protocol, MeasuredTexts]:
    protocol = make_protocol(entry.language, "de", BY_LANGUAGE, TERMS)
    headers = measure_shards(store, protocol, list_shards(protocol, entry.data, entry.texts))
    return protocol, join_shards(store, protocol, headers, entry.data.items)


@settings(max_examples=15)
@given(
    n=st.integers(1, 34),
    cuts=st.lists(st.integers(0, 34), max_size=5),
    output=st.sampled_from(["transcript", "translation"]),
)
def test_any_cut_gives_the_scores_and_rows_of_the_whole(n: int, cuts: list[int], output: str) -> None:
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    groups = [range(start, end) for start, end in pairwise(edges)]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        entry = TextsToScore("", *stages(store, groups, LANGUAGES[output]), LANGUAGES[output])
        protocol, parts = measured(store, entry)
        rows = [*protocol.counted, *protocol.of_terms]
        resample_all([parts])
        scores = {row.name: parts.score(row) for row in rows if row.name in parts.tables}
        aligned = align_texts(entry, "de")
        if aligned is None:
            assert not scores
            return
        assert scores == aligned.units.score(rows, aligned.segments, entry.data.items)
        for row in rows:
            whole = aligned.units.measure(row, aligned.segments, entry.data.items)
            assert (whole is None) == (row.name not in parts.tables)
            if whole is not None:
                assert parts.tables[row.name].ids == whole.ids
                assert np.array_equal(parts.tables[row.name].rows, whole.rows)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    keys: list[str] = []

    def count(store: Store, protocol: Protocol, shard: ShardToMeasure) -> ShardHeader:
        if store.find_shard(shard.key) is None:
            keys.append(shard.key)
        return measure_shard(store, protocol, shard)

    monkeypatch.setattr(worker, "measure_shard", count)
    yield keys


def test_what_was_counted_before_is_not_counted_again(tmp_path: Path, counted: list[str]) -> None:
    store = Store(str(tmp_path))
    groups = [range(start, start + 4) for start in range(0, 20, 4)]
    measured(store, TextsToScore("", *stages(store, groups, "target"), "target"))
    assert len(counted) == 5
    measured(store, TextsToScore("", *stages(store, groups, "target"), "target"))
    assert len(counted) == 5
    measured(store, TextsToScore("", *stages(store, [*groups, range(20, 24)], "target"), "target"))
    assert len(counted) == 6


def test_texts_made_in_one_piece_are_measured_beside_each_shard_of_their_data(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    data, texts = stages(store, [range(10), range(10, 20)], "target")
    outcomes = [each for number in range(20) if (each := text_of(number, "target")) is not None]
    whole = written(store, StagePlan(stage="whole", kind="join", version="1"), outcomes)
    (protocol, parts), (_, same) = (
        measured(store, TextsToScore("", data, ref, "target")) for ref in (texts, whole)
    )
    assert {row.name: parts.score(row) for row in protocol.counted if row.name in parts.tables} == {
        row.name: same.score(row) for row in protocol.counted if row.name in same.tables
    }


def test_many_are_measured_by_other_processes_and_one_that_fails_leaves_its_shards(
    tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "WORTH_PROCESSES", 1)
    groups = [range(start, start + 10) for start in (0, 10)]
    here, elsewhere = Store(str(tmp_path / "here")), Store(str(tmp_path / "elsewhere"))
    entries = [TextsToScore("", *stages(store, groups, "target"), "target") for store in (here, elsewhere)]
    _, by_processes = measured(elsewhere, entries[1])
    assert not counted or (len(counted) == 2 and all(map(elsewhere.find_shard, counted)))
    missing = subprocess.Popen

    def broken(*args: object, **options: object) -> object:
        return missing(["false"], **{**options, "env": {}})  # type: ignore[call-overload]

    monkeypatch.setattr(worker.subprocess, "Popen", broken)
    _, alone = measured(here, entries[0])
    assert len(counted) == 2
    assert alone.tables.keys() == by_processes.tables.keys()
    for name, table in alone.tables.items():
        assert np.array_equal(table.rows, by_processes.tables[name].rows)


def test_an_overview_has_the_worst_the_histogram_and_the_groups(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    entry = TextsToScore("", *stages(store, [range(16), range(16, 34)], None), None)
    _, parts = measured(store, entry)
    made = overview.make_overview({"transcript": parts})
    (text,) = made.texts
    table = parts.tables["wer"]
    sums: dict[str, np.ndarray] = {}
    for key, row in zip(table.ids, table.rows, strict=True):
        whole = key.partition("#")[0]
        sums[whole] = sums.get(whole, np.zeros(2)) + row
    rates = {key: 100 * errors / length for key, (errors, length) in sums.items()}
    assert list(text.worst) == sorted(rates, key=lambda key: -rates[key])
    assert sum(text.histogram) == len(rates) and text.errors == table.rows[:, 0].sum()
    most = sorted((errors for errors, _ in sums.values()), reverse=True)
    assert text.half == next(n for n in range(1, 99) if 2 * sum(islice(most, n)) >= text.errors)
    assert [group.label for group in made.groups if group.by == "speaker"] == ["ann", "bob", "none stated"]
    assert sum(group.n for group in made.groups if group.by == "speaker") == 34
    assert made.n_groups["language"] == 3
