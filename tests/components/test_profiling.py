"""Memory of this process where there is no /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from components import profiling


def test_without_proc_the_peak_stands_for_resident_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = profiling.resident_bytes()
    monkeypatch.setattr(profiling, "_STATM", tmp_path / "statm")
    assert profiling.resident_bytes() >= 0.5 * resident > 1e6
