"""Steps of checkpoints stay where references are renamed; recipes' texts are renamed, too."""

from __future__ import annotations

import pytest

from components.checkpoint_references import last_checkpoints, split_step
from components.errors import ConfigError
from components.models.adapted_references import parts_of, replace_parts

NAMES = {"node:a": "store:0123", "node:b": "node:x--b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("node:a", "store:0123"),
        ("node:a@-1", "store:0123@-1"),
        ("node:b@300", "node:x--b@300"),
        ("hub:some/a@main", "hub:some/a@main"),
        ("hub:some/model+0.5*node:a@-2", "hub:some/model+0.5*store:0123@-2"),
        ("node:a+0.5*node:b+./c", "store:0123+0.5*node:x--b+./c"),
        ("node:ab", "node:ab"),
        (
            '{\n "model": "node:a@-1",\n "minus": "node:ab"\n}',
            '{\n "model": "store:0123@-1",\n "minus": "node:ab"\n}',
        ),
        ("say node:a\naloud", "say node:a\naloud"),
        ("translate node:apples + pears", "translate node:apples + pears"),
    ],
)
def test_renaming(text: str, expected: str) -> None:
    assert replace_parts(text, NAMES) == expected


def test_parts_are_whole_trainings() -> None:
    assert parts_of("node:a@-1") == ("node:a",)
    assert parts_of("node:a+0.5*node:b") == ("node:a", "node:b")
    assert split_step("hub:some/a@main") == ("hub:some/a@main", "")
    assert last_checkpoints("store:run", 2) == ("store:run@-2", "store:run@-1")
    with pytest.raises(ConfigError, match="expected a model trained here"):
        last_checkpoints("packaged:multi30k-en-de", 2)
