"""exp and its sums in one pass, against torch in float64."""

from __future__ import annotations

import pytest
import torch

from components.kernels.exponentials import exponentiate

needs = pytest.mark.usefixtures("own_kernels")
NOTHING, INFINITE, UNKNOWN = -torch.inf, torch.inf, torch.nan


@needs
@pytest.mark.parametrize(("rows", "size"), [(1, 16), (3, 32), (8, 32000), (5, 60000)])
def test_the_same_as_torch(rows: int, size: int) -> None:
    torch.manual_seed(0)
    scores = 8 * torch.randn(rows, size)
    out = torch.empty_like(scores)
    sums = exponentiate(scores, out)
    torch.testing.assert_close(out.double(), scores.double().exp(), rtol=1e-6, atol=1e-40)
    torch.testing.assert_close(sums.double(), scores.double().exp().sum(-1, keepdim=True), rtol=1e-5, atol=0)


@needs
def test_the_ends() -> None:
    """Forbidden tokens give 0, overflow gives a value too large to pass unseen, NaN stays NaN."""
    ends = torch.tensor([NOTHING, -200.0, 0.0, 88.0, 89.0, INFINITE, UNKNOWN])
    scores = ends[:, None].repeat(1, 16)
    out = torch.empty_like(scores)
    sums = exponentiate(scores, out)
    assert out[:2].eq(0).all()
    assert out[2].eq(1).all()
    assert (out[3:6] > 1e38).all()
    assert out[6].isnan().all()
    assert sums[:3, 0].tolist() == [0, 0, 16]
    assert sums[6].isnan()


@needs
def test_threads_change_nothing() -> None:
    scores, before, results = torch.randn(7, 4096), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(exponentiate(scores, torch.empty_like(scores)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(result, results[0]) for result in results)  # type: ignore[arg-type]


def test_what_has_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = torch.randn(2, 32)
    for other in (scores[:, :20], scores.t(), scores.double()):
        assert exponentiate(other, torch.empty_like(other)) is None
    monkeypatch.setenv("ANTIPHON_KERNELS", "onednn")
    assert exponentiate(scores, torch.empty_like(scores)) is None
