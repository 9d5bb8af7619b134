"""Kinds that installed packages add."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigError
from components.extensions import Extensions
from components.nodes.kind import KINDS, Kind, _accept, find_missing_methods

MODULE = """
from components.nodes.facts import Mode
from components.nodes.kind import Kind
from components.nodes.node_context import NodeSettings

class Punctuate(Kind[NodeSettings]):
    name = "punctuate"
    summary = "for tests"
    settings = NodeSettings
    version = "punctuate-1"
    build = lambda self, settings, site: lambda items: []

class Half(Kind[NodeSettings]):
    name = "half"
    summary = "for tests"
    settings = NodeSettings
    mode = Mode.WHOLE
    version = "half-1"

class Other(Punctuate):
    name = "other"
"""

OURS = frozenset(KINDS)


def install(folder: Path, package: str, **kinds: str) -> None:
    """A distribution as pip leaves it, with entry points."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in kinds.items()]
    (info / "entry_points.txt").write_text("\n".join(["[antiphon.kinds]", *lines]) + "\n")


def registry() -> Extensions[Kind[Any]]:
    """The registry of a new process."""
    return Extensions("antiphon.kinds", "kind", _accept)


@pytest.fixture
def site_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "fake_nodes.py").write_text(MODULE)
    return tmp_path


def test_a_package_adds_a_kind(site_packages: Path) -> None:
    install(site_packages, "own-nodes", punctuate="fake_nodes:Punctuate")
    kinds = registry()
    assert set(kinds) == {"punctuate", *OURS}
    assert kinds["punctuate"].summary == "for tests"
    assert kinds["punctuate"] is kinds["punctuate"]
    assert kinds.get("none") is None
    assert list(copy.deepcopy(kinds)) == list(kinds)  # as it travels to workers


@pytest.mark.parametrize(
    ("kinds", "name", "message"),
    [
        ({"select": "fake_nodes:Punctuate"}, "select", "found those of antiphon, own-nodes"),
        ({"gone": "no_such_module:Kind"}, "gone", "to import no_such_module:Kind, found ModuleNotFoundError"),
        ({"punctuate": "fake_nodes:Other"}, "punctuate", "expected a Kind of that name at fake_nodes:Other"),
        ({"half": "fake_nodes:Half"}, "half", "expected fake_nodes:Half to define make"),
        (
            {"text": "json:dumps"},
            "text",
            "kind text of own-nodes: expected a Kind of that name at json:dumps, found <function",
        ),
    ],
)
def test_a_clash_or_a_broken_one_is_one_line(
    site_packages: Path, kinds: dict[str, str], name: str, message: str
) -> None:
    install(site_packages, "own-nodes", **kinds)
    with pytest.raises(ConfigError) as fault:
        registry()[name]
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)


def test_every_kind_of_ours_has_what_its_mode_needs() -> None:
    missing = {name: find_missing_methods(kind) for name, kind in KINDS.items() if name != "data"}
    assert not any(missing.values()), missing
