"""Corrections by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError
from components.nodes.edit import Edit, EditSettings
from tests.components.nodes.items import compute, items, texts_of


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.tsv", 'id\ttext\tby\nu1\tTwo "dogs"\tme\n'),
        ("c.jsonl", '{"id": "u1", "text": "Two \\"dogs\\""}\n'),
    ],
)
def test_what_is_corrected_changes_and_the_rest_goes_on(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    read = items("a cat", "two dogs", "cows")
    outcomes = compute(Edit(), {"file": str(path)}, read)
    assert texts_of(outcomes) == ["a cat", 'Two "dogs"', "cows"]
    assert outcomes[0] is read[0].inputs["asr"]
    assert (outcomes[1].best.system, outcomes[1].best.tokens, outcomes[1].language) == ("node", (), "en")
    assert list(Edit().ids_in_settings(EditSettings(file=str(path)))) == ["u1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id\ttext\nu1\ta\nu1\tb\n", ":3: expected one correction each, found a second of 'u1'"),
        ("id\twords\nu1\ta\n", ":2: expected id and text, found id, words"),
        ("id\ttext\nu1\n", ":2: expected 2 cells as in the header, found 1"),
        (None, "expected a readable file of corrections, found"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "c.tsv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as fault:
        compute(Edit(), {"file": str(path)}, items("a"))
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)
