"""The presets give what they gave: texts, order of the n-best lists, scores (tests/golden/systems).

``python -m tests.golden.systems check`` does the same for the files of examples/.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from components.compute.device import use_threads
from tests.golden.systems.golden import CASES, find_faults, read_golden, run_case, write_pairs

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: they share their first stages."""
    return tmp_path_factory.mktemp("golden")


@pytest.mark.parametrize(
    "name",  # a language model takes too long for the core
    [
        pytest.param(name, marks=() if name == "refine" else pytest.mark.core)
        for name in CASES
        if not name.endswith(".yaml")
    ],
)
def test_a_preset_gives_what_it_gave(name: str, folder: Path) -> None:
    with use_threads(1):  # as they were made
        outputs = run_case(name, str(folder / "store"), write_pairs(folder))
    faults = list(find_faults(name, read_golden()[name], outputs))
    assert not faults, "\n".join(faults)


def test_a_golden_would_see_another_text_order_or_score() -> None:
    def faults(*hypotheses: list[object], name: str = "cascade", node: str = "mt") -> list[str]:
        before = {"run": {node: {"a": [["ein Hund", -2.0], ["eine Katze", -3.0]]}}}
        return list(find_faults(name, before, {"run": {node: {"a": list(hypotheses)}}}))

    first, second = ["ein Hund", -2.001], ["eine Katze", -3.0]
    assert not faults(first, second)
    assert faults(second, first)
    assert faults(["ein Hund", -2.01], second)
    assert faults(["ein Hund.", -2.0], second)
    (fault,) = faults(first)
    assert fault.startswith("cascade: run: mt: a: expected [['ein Hund', -2.0], ['eine Katze', -3.0]], found")
    assert not faults(first, ["ein Tier", -9.0], name="refine", node="refine-1")
