"""Laws of one shard: whole or not at all, one of several writers counts, damage is never believed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.storage.shards.shard import DamagedError, decode_shard, shard_name, split_lines
from components.storage.stages.stage_plan import StagePlan
from components.storage.store import Store
from tests.components.nodes.items import nbest
from tests.components.storage.test_store import refusal
from tests.components.storage.written import encode_piece

NODE = StagePlan(stage="mt", kind="translate", version="1")
HEADER, CONTENT = encode_piece(
    NODE, [nbest("a", "é\u2028"), refusal("b")], seconds=1e-05, read={"of0": ("1" * 64, "2" * 64)}
)


def test_no_flipped_bit_of_a_shard_is_believed() -> None:
    """Every one is refused, or leaves what the shard says as it was: 1E-05 is 1e-05."""
    expected = decode_shard(CONTENT, "", HEADER.key)
    assert expected[0] == HEADER
    for position, bit in product(range(len(CONTENT)), range(8)):
        flipped = bytearray(CONTENT)
        flipped[position] ^= 1 << bit
        with suppress(DamagedError):
            assert decode_shard(bytes(flipped), "", HEADER.key) == expected


@given(st.integers(0, len(CONTENT) - 1))
def test_a_shard_that_is_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(DamagedError):
        decode_shard(CONTENT[:length], "", HEADER.key)


def test_a_shard_under_the_name_of_another_is_refused() -> None:
    with pytest.raises(DamagedError, match="expected shard 000000000000…, found another"):
        decode_shard(CONTENT, "", "0" * 64)


def test_what_could_not_be_processed_stands_where_its_input_stood() -> None:
    _, body = decode_shard(CONTENT, "", HEADER.key)
    assert [ok for ok, _ in split_lines(body)] == [True, False]
    assert (HEADER.ok, HEADER.quarantined) == (1, 1)


@pytest.mark.parametrize("n", [2, 8])
def test_of_several_writers_one_counts_and_all_are_told_which(tmp_path: Path, n: int) -> None:
    """Their bytes differ, as seconds do; so might the outcomes of what is sampled."""
    shards = [
        encode_piece(NODE, [nbest("a", f"text {number}")], HEADER.key, seconds=float(number))
        for number in range(n)
    ]
    with ThreadPoolExecutor(n) as pool:
        stores = [Store(str(tmp_path)) for _ in shards]
        told = list(pool.map(lambda store, shard: store.add_shard(*shard), stores, shards))
    assert len(set(map(repr, told))) == 1
    assert (told[0], (tmp_path / shard_name(HEADER.key)).read_bytes()) in shards


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=20), st.integers(0, len(CONTENT)))
def test_what_is_damaged_is_replaced(tmp_path: Path, junk: bytes, kept: int) -> None:
    store, path = Store(str(tmp_path)), tmp_path / shard_name(HEADER.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT[:kept] + junk)
    before = store.find_shard(HEADER.key)
    assert before is None or path.read_bytes() == CONTENT
    assert store.add_shard(HEADER, CONTENT) == store.find_shard(HEADER.key) == HEADER
    assert path.read_bytes() == CONTENT


def test_a_shard_of_other_inputs_is_stale_and_replaced(tmp_path: Path) -> None:
    """The one that it read was lost and came out differently: the same key, another digest."""
    store = Store(str(tmp_path))
    store.add_shard(HEADER, CONTENT)
    assert store.find_shard(HEADER.key, {"of0": ("1" * 64, "2" * 64)}) == HEADER
    assert store.find_shard(HEADER.key, {"of0": ("1" * 64, "3" * 64)}) is None
    later, content = encode_piece(NODE, [nbest("a", "x")], HEADER.key, read={"of0": ("1" * 64, "3" * 64)})
    assert store.add_shard(later, content) == store.find_shard(HEADER.key) == later
