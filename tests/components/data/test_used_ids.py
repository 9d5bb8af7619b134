"""Ids that are taken: as a set of them says, one by one or many at once."""

from __future__ import annotations

from random import Random

import pytest

from components.data.memory import id_groups
from components.data.memory.id_groups import IdGroups
from components.data.used_ids import UsedIds, digest_id
from components.errors import StoreError


def test_it_knows_what_a_set_knows() -> None:
    draw, used, plain = Random(1), UsedIds(), set[str]()
    for _ in range(600):
        name = f"u\udcff{draw.randrange(500)}"
        assert (name in used) == (name in plain)
        assert used.add(name) == (name not in plain)
        plain.add(name)
    assert 300 < len(plain) < 500


def test_a_full_disk_of_temporary_files_is_said_in_a_line() -> None:
    used = UsedIds()
    used._database.execute("PRAGMA max_page_count = 3")
    with pytest.raises(StoreError, match=r"found none \(database or disk is full\); free some space there"):
        all(map(used.add, map(str, range(9999))))


@pytest.mark.parametrize("bits", [3, 8, 24])
def test_groups_are_known_like_single_ones(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    monkeypatch.setattr(id_groups, "_FILTER_BITS", bits)
    monkeypatch.setattr(id_groups, "_LOOKUPS", 7)
    draw, used, plain = Random(1), IdGroups(), set[str]()
    groups = [[f"u{number}" for number in range(start, start + 5)] for start in range(0, 1500, 5)]
    draw.shuffle(groups)
    for number in range(600):
        if number % 3:
            name = f"u{draw.randrange(1500)}"
            assert (name in used) == (name in plain)
            assert used.add(name) == (name not in plain)
            plain.add(name)
        else:
            names = groups.pop()
            is_new = plain.isdisjoint(names)
            assert used.add_group(b"".join(map(digest_id, names))) == is_new
            plain.update(names if is_new else [])
    assert 500 < len(plain) < 1300
