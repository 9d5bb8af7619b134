"""The data stage: what is written, and what gives nothing to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.data.stage import store_data
from components.errors import ConfigError, DataError
from components.storage.stages.reader import read_utterances
from components.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "text": "x", "source_language": "en"}\n')
    return str(path)


def test_utterances_are_kept_and_found_again(store: Store, manifest: str) -> None:
    first = store_data(manifest, None, (None, "de"), None, store)
    assert [(each.id, each.target_language) for each in read_utterances(first)] == [("a", "de")]
    again = store_data(manifest, None, (None, "de"), None, store)
    assert (again.key, again.reused) == (first.key, True)
    assert store_data(manifest, None, (None, "fr"), None, store).key != first.key


def test_a_language_that_no_record_has_leaves_nothing_and_is_told(store: Store, manifest: str) -> None:
    with pytest.raises(
        DataError, match=r"a\.jsonl: expected at least one utterance, found none; 1 record in en left out"
    ):
        store_data(manifest, None, ("fr", None), None, store)


@pytest.mark.parametrize("sources", [(None, None), ("sample", "a.wav")])
def test_a_data_set_or_recordings(store: Store, sources: tuple[str | None, str | None]) -> None:
    with pytest.raises(ConfigError, match="expected a data set or an audio file, one of the two"):
        store_data(*sources, (None, None), None, store)
