"""Checkpoints of refiners that are of another kind, or lack the network's settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import ModelError
from components.models.architectures import DELIBERATION
from components.models.loaders.refiner_checkpoints import load_network
from components.records import Checkpoint


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("MarianMTModel", {}, "test: expected one of .*, found MarianMTModel"),
        (DELIBERATION, {}, r"config\.json: expected antiphon with the network's settings, found none"),
        (DELIBERATION, {"antiphon": 3}, r"config\.json: expected antiphon with the network's settings"),
    ],
)
def test_what_is_no_refiner_is_refused(
    tmp_path: Path, kind: str, values: dict[str, object], message: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=message):
        load_network(Checkpoint(reference="test", path=str(tmp_path), sha256="0" * 64, architecture=kind))
