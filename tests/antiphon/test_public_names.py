"""The names of ``antiphon``: which they are, that each is explained, and that they import nothing heavy."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import antiphon
from tests.fresh_process import run_python

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "transformers", "whisper", "prefect", "matplotlib", "pandas"}
NAMES = {
    "AntiphonError",
    "Dataset",
    "Hypothesis",
    "Item",
    "Kind",
    "NBest",
    "NodeContext",
    "NodeSettings",
    "Pipeline",
    "Quarantined",
    "Route",
    "Run",
    "Score",
    "Utterance",
    "compare_runs",
    "list_runs",
    "load_audio",
    "load_data",
    "load_run",
    "merge_models",
    "node_kind",
    "read_pipeline",
    "run_flow",
    "run_pipeline",
    "score_transcripts",
    "score_translations",
    "transcribe",
    "translate",
}
"""A name that is taken away or changed breaks what users wrote: it stands in the changelog first."""


def test_the_public_names_are_these() -> None:
    assert set(antiphon.__all__) == NAMES
    assert sorted(antiphon.__all__) == antiphon.__all__
    assert {name for name in vars(antiphon) if not name.startswith("_")} == NAMES


def test_every_public_name_says_what_it_is() -> None:
    for name in antiphon.__all__:
        value = getattr(antiphon, name)
        assert inspect.getdoc(value), name
        if inspect.isfunction(value):
            assert "Args:" in str(inspect.getdoc(value)) or "``" in str(inspect.getdoc(value)), name


def test_the_page_uses_every_function() -> None:
    page = (ROOT / "docs" / "use" / "python.md").read_text(encoding="utf-8")
    functions = [name for name in antiphon.__all__ if inspect.isfunction(getattr(antiphon, name))]
    assert not [name for name in functions if f"antiphon.{name}" not in page and f"`{name}" not in page]


def test_a_kind_without_its_methods_is_one_line() -> None:
    class Half(antiphon.Kind[antiphon.NodeSettings]):
        name = "half"
        summary = "for tests"
        settings = antiphon.NodeSettings

    with pytest.raises(
        antiphon.AntiphonError, match=r"^kind half: expected Half to define version and build$"
    ):
        antiphon.node_kind(Half)


def test_importing_is_light() -> None:
    run_python(f"import sys, antiphon\nheavy = {HEAVY!r} & sys.modules.keys()\nassert not heavy, heavy\n")
