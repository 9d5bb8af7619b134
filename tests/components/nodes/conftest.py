"""Fixtures for tests of kinds."""

from __future__ import annotations

import pytest

from components.own_code import code_permission


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Own code may run."""
    monkeypatch.setenv(code_permission.VARIABLE, "1")
