"""A share of the fuzzing that takes seconds: no damaged file gives anything but a result or a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzzing.readers import READERS
from tests.fuzzing.run import fuzz

MUTATIONS = 40


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_a_line(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    good = tmp_path / reader.name
    good.write_bytes(reader.seed())
    reader.read(good)
    for failure in fuzz(reader, MUTATIONS, tmp_path):
        pytest.fail(f"{name}, mutation {failure.number}: {failure.what}")
