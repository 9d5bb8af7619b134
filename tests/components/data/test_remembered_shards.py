"""Shards known by the bytes of their lines: what they give is what reading gives, whatever has changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest

from components.data import stage
from components.data.row_reader import DraftedRow
from components.data.stage import store_data
from components.files.digests import cache_folder
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader
from components.storage.stages.reader import read_shards
from components.storage.store import Store


class Bench:
    """A manifest, a store, and how many rows were read, or passed over, last."""

    def __init__(self, folder: Path) -> None:
        self.manifest, self.store = folder / "texts.jsonl", Store(str(folder / "store"))
        self.read = self.known = 0

    def load(self, lines: list[str]) -> StageRef:
        self.manifest.write_text("".join(lines), "utf-8")
        self.read = self.known = 0

        def build(shards: stage.DataShards, store: Store) -> Iterator[stage.BuiltShard]:
            for shard in shards:
                self._count(shard)
                yield stage.build_shard(shard, store)

        return store_data(str(self.manifest), None, ("en", None), None, self.store, build)

    def _count(self, shard: list[DraftedRow] | ShardHeader) -> None:
        if isinstance(shard, ShardHeader):
            self.known += shard.ok
        else:
            self.read += len(shard)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    return Bench(tmp_path)


def line(name: str, document: str | None = None, text: str = "a dog and a cat " * 20) -> str:
    values = {"id": name, "text": f"{name} {text}", "source_language": "en"}
    return json.dumps(values | ({} if document is None else {"document": document})) + "\n"


LINES = [line(f"u{number}") for number in range(1500)]


def test_unchanged_lines_are_passed_over_and_changed_ones_read_with_a_neighbour(bench: Bench) -> None:
    first = bench.load(LINES)
    assert (bench.read, bench.known) == (1500, 0)
    largest = max(shard.ok for shard in read_shards(first))
    assert bench.load(LINES).key == first.key
    assert bench.read <= largest  # the last, whose end no content has decided
    for position in (0, 700, 1500):
        bench.load([*LINES[:position], line("new"), *LINES[position:]])
        assert bench.read + bench.known == 1501
        assert bench.read <= 4 * largest


def test_a_shard_whose_first_id_is_taken_by_now_is_read(bench: Bench) -> None:
    first = read_shards(bench.load(LINES))
    starts = [sum(shard.ok for shard in first[:number]) for number in range(len(first))]
    for start in starts[1:4]:
        again = read_shards(bench.load([line(f"u{start}", text="another"), *LINES]))
        assert (sum(shard.ok for shard in again), sum(shard.quarantined for shard in again)) == (1500, 1)


EDITS = {
    "faulty": "no JSON\n",
    "blank": "\n",
    "same id": line("u3", text="another"),
    "French": json.dumps({"id": "f", "text": "le chien", "source_language": "fr"}) + "\n",
    "no id": json.dumps({"text": "a dog", "source_language": "en"}) + "\n",
    "empty": line("e", text=""),
    "nothing": json.dumps({"id": "n", "text": " ", "source_language": "en"}) + "\n",
    "same": LINES[3],
    "document": line("d1", "talk") + line("d2", "talk"),
    "talk": "".join(line(f"t{n}", "talk") for n in range(200)),
    "good": line("good"),
}


@pytest.mark.parametrize("seed", range(2))
def test_what_is_remembered_changes_nothing(bench: Bench, seed: int) -> None:
    """Rows come, go, move, repeat ids and are faulty; each state is loaded with and without."""
    draw, lines, known = Random(seed), LINES[:1200], 0
    for _ in range(6):
        for _ in range(draw.randint(1, 3)):
            at, size = draw.randrange(len(lines)), draw.choice([0, 0, 1, 90])
            moved = draw.choice([lines[at : at + size], []])
            lines = (
                lines[:at] + draw.sample(list(EDITS.values()), draw.choice([0, 1, 2])) + lines[at + size :]
            )
            lines += moved
        remembered = bench.load(lines)
        known += bench.known
        with patch.object(stage, "MEMORY", {}):
            plain = bench.load(lines)
        assert (remembered.key, remembered.sha256) == (plain.key, plain.sha256)
    assert known > 300


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_memory_is_made_again(bench: Bench, damage: str) -> None:
    first = bench.load(LINES)
    (file,) = (cache_folder() / "data").glob("*.shards")
    content = file.read_bytes()
    half = len(content) // 2
    file.write_bytes(
        {
            "cut": content[:half],
            "flip": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
            "empty": b"",
            "other": b'{"stretches": 3}\n',
        }[damage]
    )
    assert (bench.load(LINES).key, bench.known) == (first.key, 0)
    assert bench.load(LINES).key == first.key
    assert bench.known > 0


def test_a_shard_that_the_store_has_lost_is_built_again(bench: Bench) -> None:
    first = bench.load(LINES)
    lost = read_shards(first)[1]
    path = Path(bench.store.root) / "shards" / lost.key[:2] / f"{lost.key}.jsonl"
    content = path.read_bytes()
    path.unlink()
    assert bench.load(LINES).key == first.key
    assert path.read_bytes() == content


def test_other_settings_are_remembered_apart(bench: Bench) -> None:
    bench.load(LINES)
    other = store_data(str(bench.manifest), None, ("en", "de"), None, bench.store)
    again = bench.load(LINES)
    assert again.key != other.key
    assert bench.known > 0
