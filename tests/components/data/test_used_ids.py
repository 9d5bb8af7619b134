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
    for _ in range(600):
        names = [f"u{draw.randrange(1500)}" for _ in range(draw.choice([1, 1, 1, 5]))]
        if len(names) == 1:
            assert (names[0] in used) == (names[0] in plain)
            assert used.add(names[0]) == (names[0] not in plain)
            plain.update(names)
        else:
            is_new = len(set(names)) == len(names) and plain.isdisjoint(names)
            assert used.add_all(b"".join(map(digest_id, names))) == is_new
            plain.update(names if is_new else [])
    assert 400 < len(plain) < 1200


def test_digests_with_the_same_first_half_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used_ids, "_IN_MEMORY", 4)
    used = UsedIds()
    same = [bytes(8) + bytes([number]) * 8 for number in range(9)]
    assert all(used.add_all(digest) for digest in same)
    assert not any(used.add_all(digest) for digest in same)
    assert used.add_all(bytes(8) + b"\xff" * 8)
