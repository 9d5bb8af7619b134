"""Corrections of the store as a node: never computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.editing.kinds.edit_from_store import EditFromStore, EditFromStoreSettings
from components.errors import StoreError
from components.nodes.node_context import NodeContext


def test_what_a_person_gave_is_not_made_again(tmp_path: Path) -> None:
    settings = EditFromStoreSettings(key="a" * 64)
    with pytest.raises(StoreError, match="by-hand: expected the corrections aaaaaaaaaaaa… in the store"):
        EditFromStore().make(settings, NodeContext("by-hand", store=str(tmp_path)), {}, tmp_path)
