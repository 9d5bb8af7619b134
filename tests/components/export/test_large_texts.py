"""Tables of the texts of large runs: what was written for a shard before is taken, if it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.export import large_texts
from components.export.large_texts import write_tables
from components.records import Hypothesis, NBest, Quarantined
from components.run_record import PipelineRecord, RunRecord, StageRef
from components.storage.shards.shard import ShardEntry
from components.storage.store import Store
from tests.components.storage.written import written

TEXTS = ['"quoted" text', "=1+1", "a\tb\nc", "", "ein é", "six", "seven"]
TABLE = """\
id\ttext\tquarantined
u0\t\"\"\"quoted\"\" text\"\t
u1\t'=1+1\t
u2\ta b c\t
u3\t\t
u4\tein é\t
u5\tsix\t
u6\tseven\t
bad\t\tdata: no language: said
"""


def stage(store: Store, texts: list[str]) -> StageRef:
    good = [
        NBest(utterance_id=f"u{n}", hypotheses=(Hypothesis(text=text, score=-1.0, n_tokens=1, system="s"),))
        for n, text in enumerate(texts)
    ]
    bad = Quarantined(utterance_id="bad", stage="data", reason="no language", detail="said")
    return written(store, "mt", good, [bad], size=2)


def write(ref: StageRef, folder: Path) -> str:
    pipeline = PipelineRecord(outputs={"translation": "mt"})
    day = "2026-01-01T00:00:00Z"
    run = RunRecord(
        name="r",
        flow="f",
        status="completed",
        parameters={},
        stages=(ref,),
        pipeline=pipeline,
        metrics={},
        started=day,
        finished=day,
    )
    folder.parent.mkdir(exist_ok=True)
    assert write_tables(run, folder) == ["mt.tsv"]
    return (folder / "mt.tsv").read_text("utf-8")


def test_lines_of_a_shard_are_taken_from_the_table_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    encoded, encode = list[str](), large_texts._encode_shard

    def counted(ref: StageRef, shard: ShardEntry) -> bytes:
        encoded.append(shard.key)
        return encode(ref, shard)

    monkeypatch.setattr(large_texts, "_encode_shard", counted)
    store = Store(str(tmp_path / "store"))
    assert write(stage(store, TEXTS), tmp_path / "1" / "texts") == TABLE
    assert len(encoded) == 4
    assert write(stage(store, TEXTS), tmp_path / "2" / "texts") == TABLE
    assert len(encoded) == 4
    changed = write(stage(store, [*TEXTS[:5], "sechs", "seven"]), tmp_path / "3" / "texts")
    assert (changed, len(encoded)) == (TABLE.replace("six", "sechs"), 5)
    (tmp_path / "3" / "texts" / "mt.tsv").write_text(changed.replace("seven", "SEVEN"), "utf-8")
    assert write(stage(store, TEXTS), tmp_path / "3" / "texts") == TABLE
    assert len(encoded) == 7  # of the one that was edited, and of the one that is new there
