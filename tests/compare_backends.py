"""Whatever multiplies, texts are equal and scores are to 1e-3 of them: a part of ``make test-portable``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.backends import BACKENDS, environment_of

ROOT = Path(__file__).parents[1]
KERNELS = {"onednn": "onednn", "without AVX-512": "onednn", "plain": "plain"}
pytestmark = pytest.mark.models


def compute(backend: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.backend_outputs", str(folder)],
        cwd=ROOT,
        env=environment_of(backend),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return compute("own", tmp_path_factory.mktemp("own"))


def test_every_choice_is_tried() -> None:
    assert KERNELS.keys() == BACKENDS.keys() - {"own"}


@pytest.mark.parametrize("backend", KERNELS)
def test_results_are_those_of_our_own_kernels(backend: str, usual: dict[str, Any], tmp_path: Path) -> None:
    found = compute(backend, tmp_path)
    assert found.pop("kernels") == KERNELS[backend]
    for part, outcomes in found.items():
        assert outcomes, part
        texts, scores = zip(*outcomes, strict=True)
        expected_texts, expected_scores = zip(*usual[part], strict=True)
        assert texts == expected_texts, part
        assert scores == pytest.approx(expected_scores, rel=1e-3), part
