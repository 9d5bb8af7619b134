"""Whatever multiplies, texts are equal and scores are to 1e-3 of them."""

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
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


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


WITHOUT_FAMILIES = """
import json, sys
HIDDEN = ("components.kernels", "components.decoding.accelerator")
for name in HIDDEN:
    sys.modules[name] = None
from components import extensions
entries = extensions.entry_points
extensions.entry_points = lambda group: [
    entry for entry in entries(group=group) if not entry.value.startswith(HIDDEN)
]
from components.compute.torch_facts import describe_kernels
from tests.cascade_outputs import recognize_and_translate
print(json.dumps({"kernels": describe_kernels()} | recognize_and_translate()))
"""


def test_a_build_without_kernels_and_recorded_steps_computes_the_same(usual: dict[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FAMILIES],
        cwd=ROOT,
        env=environment_of("own"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("kernels") == "plain"
    for part, outcomes in found.items():
        assert [text for text, _ in outcomes] == [text for text, _ in usual[part]], part
