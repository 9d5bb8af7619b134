"""The confirmatory pass: unseen texts in the place of the test splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.claims.workspace import DEV, TEST_SPLITS, Workspace
from benchmarks.confirm import UnseenTexts, main
from components.errors import DataError


def write_texts(folder: Path, stem: str, n: int) -> None:
    for language in ("en", "de"):
        lines = [f"{stem} {language} {number}" for number in range(n)]
        (folder / f"{stem}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_one_text_is_dealt_to_all_test_splits_and_no_sentence_stands_for_two(tmp_path: Path) -> None:
    write_texts(tmp_path, "unseen", 10)
    unseen = UnseenTexts(tmp_path)
    parts = [[u.text for u in unseen.utterances(split, ("en", "de"))] for split in TEST_SPLITS]
    assert sorted(map(len, parts)) == [3, 3, 4]
    assert sorted(text for part in parts for text in part) == sorted(f"unseen en {n}" for n in range(10))


def test_two_texts_are_used_whole_before_one_is_shared(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        write_texts(tmp_path, stem, 4)
    unseen = UnseenTexts(tmp_path)
    parts = [unseen.utterances(split, ("en", "de")) for split in TEST_SPLITS]
    assert [len(part) for part in parts] == [2, 4, 2]
    assert parts[1][0].references == ("b de 0",)


def test_a_workspace_reads_them_where_an_experiment_asks_for_a_test_split(tmp_path: Path) -> None:
    write_texts(tmp_path, "unseen", 9)
    work = Workspace(tmp_path / "work", unseen=UnseenTexts(tmp_path))
    assert [u.text for u in work.utterances(TEST_SPLITS[0], limit=2)] == ["unseen en 0", "unseen en 3"]
    assert work.tests == {TEST_SPLITS[0]}
    with pytest.raises(DataError, match=r"expected unseen.cs beside unseen.en"):
        work.utterances(TEST_SPLITS[0], ("en", "cs"))
    assert DEV not in TEST_SPLITS


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected STEM.en beside STEM.de, found no .en file"):
        UnseenTexts(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["--data", str(tmp_path)])
    assert end.value.code == 2
