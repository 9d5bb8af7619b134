"""JSON that is nested beyond what can be parsed or walked over, wherever it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.campaign.answers import AnswerFaults
from components.campaign.pearmut_log import read_log
from components.errors import AntiphonError
from components.files.canonical_json import verify_digest
from components.files.files import read_json
from components.files.json_text import MAX_DEPTH, parse_json
from components.storage.layout import check_layout
from components.storage.runs.run_records import check_record, read_record
from components.storage.store_files import LocalFiles

DEPTHS = (MAX_DEPTH + 1, 900, 990, 100_000)


def nested(depth: int) -> str:
    return '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"


@pytest.mark.parametrize("encode", [str, str.encode])
def test_depth_has_a_bound(encode: Callable[[str], str | bytes]) -> None:
    assert parse_json(encode(nested(MAX_DEPTH))) is not None
    assert parse_json(encode('["' + "[" * 500 + '"]')) == ["[" * 500]
    for depth in DEPTHS:
        with pytest.raises(ValueError, match=f"nested more than {MAX_DEPTH} deep"):
            parse_json(encode(nested(depth)))


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_reader_says_so_in_one_line(tmp_path: Path, depth: int) -> None:
    text = nested(depth)
    for name in ("run.json", "layout.json", "settings.json"):
        (tmp_path / name).write_text(text)

    readers: dict[str, Callable[[], object]] = {
        "pearmut's answers": lambda: read_log(text, "a.json", "c", AnswerFaults("a.json")),
        "pearmut's log": lambda: read_log(text, "a.jsonl", "c", AnswerFaults("a.jsonl")),
        "any file of a store": lambda: read_json(tmp_path / "run.json"),
        "the record of a run": lambda: read_record(tmp_path, tmp_path),
        "a failed record": lambda: check_record(text.encode(), "failed.json"),
        "a store's layout": lambda: check_layout(str(tmp_path), LocalFiles(tmp_path)),
    }
    for what, read in readers.items():
        with pytest.raises(AntiphonError) as caught:
            read()
        assert "\n" not in str(caught.value), what
    with pytest.raises(ValueError, match="nested"):
        verify_digest(text.encode())
