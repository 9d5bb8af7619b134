"""Ids that are taken: as a set of them says, one by one or many at once."""

from __future__ import annotations

from random import Random

import pytest

from components.data import used_ids
from components.data.used_ids import UsedIds, digest_id


def test_it_knows_what_a_set_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used_ids, "_IN_MEMORY", 7)
    monkeypatch.setattr(used_ids, "_FILTER_BITS", 8)
    draw, used, plain = Random(1), UsedIds(), set[str]()
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


def test_digests_with_the_same_first_half_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used_ids, "_IN_MEMORY", 4)
    names = {bytes([number]).decode(): bytes(8) + bytes([number]) * 8 for number in range(9)}
    monkeypatch.setattr(used_ids, "digest_id", names.__getitem__)
    used = UsedIds()
    assert all(map(used.add, names))
    assert not any(map(used.add, names))
    assert not any(map(used.add_group, names.values()))
    assert used.add_group(bytes(8) + b"\xff" * 8)
