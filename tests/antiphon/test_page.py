"""docs/use/python.md: its blocks run in their order, as the cells of a notebook, on the packaged models."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from components.nodes.kind import KINDS
from components.own_code import code_permission

PAGE = Path(__file__).parents[2] / "docs" / "use" / "python.md"
pytestmark = [pytest.mark.models, pytest.mark.server, pytest.mark.usefixtures("server")]


def run_block(block: str, names: dict[str, Any]) -> list[Any]:
    """Run a block; gives the values of the expressions that stand alone in it."""
    values = []
    for statement in ast.parse(block).body:
        if isinstance(statement, ast.Expr):
            values.append(eval(compile(ast.Expression(statement.value), str(PAGE), "eval"), names))
        else:
            exec(compile(ast.Module([statement], []), str(PAGE), "exec"), names)
    return values


def test_the_blocks_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTIPHON_STORE", str(tmp_path / "store"))
    monkeypatch.setenv(code_permission.VARIABLE, "")  # taken back after the test
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    values = []
    try:
        for block in blocks:
            if "frame(" not in block or importlib.util.find_spec("pandas") is not None:
                values.append(run_block(block, names))
    finally:
        KINDS.pop("lowercase", None)
    assert values[0][0].startswith("An elderly woman feeds pigeons")
    assert names["run"].nodes == ["asr", "mt"]
    assert sorted(path.suffix for path in (tmp_path / "captions").iterdir()) == [".srt"] * 4 + [".txt"] * 4
    assert names["lower"].records("low")[0]["text"].islower()
    reused = {ref.stage: ref.reused for ref in names["lower"].record.stages}
    assert (reused["asr"], reused["mt"], reused["low"]) == (True, True, False)
    assert {row.system for row in names["comparison"].rows} == {"greedy", "beam"}
    assert (tmp_path / "merged-model" / "model.safetensors").exists()
