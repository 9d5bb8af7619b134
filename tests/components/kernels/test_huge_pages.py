from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from components.compute.layers.packed_linear import PackedLinear
from components.kernels import huge_pages


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    huge_pages.huge_page_size.cache_clear()
    yield
    huge_pages.huge_page_size.cache_clear()


def huge_kilobytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("AnonHugePages"))


@pytest.mark.skipif(not huge_pages.huge_page_size(), reason="no large pages on this system")
def test_memory_moves_and_keeps_what_it_holds() -> None:
    size = 16 * 2**20
    # The allocator may give memory that an earlier test moved; what is shared is not counted as anonymous.
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    expected = torch.arange(size // 4, dtype=torch.int32)
    weights = torch.frombuffer(memory, dtype=torch.int32).copy_(expected)
    before = huge_kilobytes()
    moved = huge_pages.move_to_huge_pages(weights.data_ptr(), size)
    if not moved:
        pytest.skip("the system had no large pages to give")
    assert huge_kilobytes() > before
    assert torch.equal(weights, expected)


def test_little_memory_stays_where_it_is() -> None:
    weights = torch.zeros(16)
    assert huge_pages.move_to_huge_pages(weights.data_ptr(), 64) == 0


@pytest.mark.parametrize(
    ("enabled", "size"),
    [
        ("always madvise [never]", "2097152"),
        ("[always]", "536870912"),
        ("[always]", "many"),
        (None, "2097152"),
    ],
)
def test_nothing_moves_where_it_must_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enabled: str | None, size: str
) -> None:
    if enabled is not None:
        (tmp_path / "enabled").write_text(f"{enabled}\n", encoding="ascii")
    (tmp_path / "hpage_pmd_size").write_text(f"{size}\n", encoding="ascii")
    monkeypatch.setattr(huge_pages, "SETTINGS", tmp_path)
    assert huge_pages.huge_page_size() == 0
    weights = torch.zeros(2**20)
    assert huge_pages.move_to_huge_pages(weights.data_ptr(), 4 * 2**20) == 0


def test_a_system_without_the_call_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    assert huge_pages.huge_page_size() == 0


@pytest.mark.usefixtures("packed_layers")
def test_packed_weights_ask_to_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(huge_pages, "move_to_huge_pages", lambda address, size: sizes.append(size))
    weight, x = torch.randn(512, 512), torch.randn(3, 512)
    layer = PackedLinear(weight)
    assert sizes == [4 * 512 * 512]
    torch.testing.assert_close(layer(x), x @ weight.t(), rtol=1e-4, atol=1e-4)


def test_asking_changes_nothing_that_is_written() -> None:
    weights = torch.empty(2**21)
    huge_pages.ask_for_huge_pages(weights.data_ptr(), weights.nbytes)
    huge_pages.ask_for_huge_pages(weights.data_ptr(), 64)
    assert torch.equal(weights.fill_(1.5), torch.full((2**21,), 1.5))
