"""Corrections of the store as a node: never computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.editing.kinds.corrections import Corrections, CorrectionsSettings
from components.errors import StoreError
from components.nodes.site import Site


def test_what_a_person_gave_is_not_made_again(tmp_path: Path) -> None:
    settings = CorrectionsSettings(key="a" * 64)
    with pytest.raises(StoreError, match="by-hand: expected the corrections aaaaaaaaaaaa… in the store"):
        Corrections().make(settings, Site("by-hand", store=str(tmp_path)), {}, tmp_path)
