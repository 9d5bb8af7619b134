"""A package of somebody else brings a kind, a backend, a metric, an analysis and a command, by pip alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmarks.common.paths import ROOT

GRAPH = """
nodes:
  asr: {kind: recognize, model: ./model}
  loud: {kind: shout, of: asr, marks: 2}
outputs: {transcript: loud}
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a process that has the package."""
    target = tmp_path_factory.mktemp("packages")
    source = target / "source"
    subprocess.run(["cp", "-r", str(ROOT / "tests" / "foreign"), str(source)], check=True)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True)
    return {**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def antiphon(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    """What the command prints."""
    code = "from flows.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{environment['PYTHONPATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_command_of_a_package_is_one_of_antiphon(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("one two three\n", encoding="utf-8")
    assert "count-words" in antiphon(environment, tmp_path, "--help")
    assert antiphon(environment, tmp_path, "count-words", "talk.txt").strip() == "3 words"


def test_its_kind_backend_metric_and_analysis_run_in_a_graph(
    environment: dict[str, str], tmp_path: Path, prefect_url: str
) -> None:
    (tmp_path / "model").mkdir()
    config = {"architectures": ["LoudnessModel"], "model_type": "loudness"}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({"threshold": np.array(1e-4)}, tmp_path / "model" / "model.safetensors")
    (tmp_path / "talk.yaml").write_text(GRAPH, encoding="utf-8")
    options = ["--data", "sample", "--limit", "3", "--json"]
    printed = antiphon(environment | {"PREFECT_API_URL": prefect_url}, tmp_path, "run", "talk.yaml", *options)
    run = json.loads(printed.splitlines()[-1])
    folder = Path(run["path"])
    texts = [path.read_text(encoding="utf-8").strip() for path in (folder / "texts").glob("*.txt")]
    assert set(texts) <= {"LOUD!!", "QUIET!!"}, texts
    assert "LOUD!!" in texts
    assert run["metrics"]["same_length"]["n"] == 3
    assert "lengths" in [stage["kind"] for stage in run["stages"]]
    assert "Lengths of what was shouted" in (folder / "report.html").read_text(encoding="utf-8")
