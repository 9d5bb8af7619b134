"""A run that is killed in the middle of its second stage goes on there and ends in the same bytes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from tests.crash.processes import calls, command, environment, result, run, start, wait_for_calls


def outputs(stage: dict[str, object]) -> bytes:
    folder = Path(str(stage["path"]))
    return (folder / "outputs.jsonl").read_bytes() + (folder / "errors.jsonl").read_bytes()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The outputs of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("straight")
    stages = result(run(folder, folder / "store"))
    assert len(calls(folder)) == 10
    return {name: outputs(stages[name]) for name in ("data", "mt")}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill -9", "SIGTERM"])
def test_killed_in_the_second_stage(
    tmp_path: Path, expected: dict[str, bytes], number: signal.Signals
) -> None:
    store = tmp_path / "store"
    process = start(tmp_path, store, FAKE_SLOW="0.3")
    wait_for_calls(process, tmp_path, 5)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    if number == signal.SIGTERM:
        assert process.returncode in {128 + number, -number}
        assert "run again: antiphon run cascade" in errors
        assert "Traceback" not in errors
    (folder,) = [
        path.parent
        for path in store.glob("stages/*/journal.jsonl")
        if not (path.parent / "DONE.json").exists()
    ]
    kept = len((folder / "journal.jsonl").read_text().splitlines())
    assert 1 <= kept < 10
    with (folder / "outputs.jsonl").open("ab") as file:
        file.write(b'{"utterance_id":"u9')  # a torn line, as a kill in the middle of a write leaves it
    (tmp_path / "calls").unlink()

    stages = result(run(tmp_path, store))
    assert stages["data"]["reused"]
    assert not stages["mt"]["reused"]
    assert len(calls(tmp_path)) == 10 - kept
    assert {name: outputs(stages[name]) for name in expected} == expected


def test_a_full_disk_leaves_one_clear_line_and_a_stage_to_resume(
    tmp_path: Path, expected: dict[str, bytes]
) -> None:
    """A file size limit makes writes fail as a full disk does, the outputs' first of all."""
    store = tmp_path / "store"
    run(tmp_path, tmp_path / "warm-up")  # Prefect's own database exists before the limit
    (tmp_path / "calls").unlink()
    limit = 8_000_000

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    settings = {"FAKE_PADDING": "10000"}
    done = subprocess.run(
        command(tmp_path, store),
        env=environment(tmp_path, settings),
        preexec_fn=bounded,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("antiphon: ")]
    assert len(said) == 1
    assert "no space left to write stage mt" in said[0]
    assert "Traceback" not in done.stderr
    before = len(calls(tmp_path))
    stages = result(run(tmp_path, store, **settings))
    assert not stages["mt"]["reused"]
    assert len(calls(tmp_path)) - before < 10
    lines = outputs(stages["mt"]).splitlines()
    assert [json.loads(line)["utterance_id"] for line in lines] == [f"u{n:04d}" for n in range(640)]
    assert outputs(stages["data"]) == expected["data"]


def test_two_runs_at_once(tmp_path: Path, expected: dict[str, bytes]) -> None:
    """The second is told who holds the stage; the first is not disturbed."""
    store = tmp_path / "store"
    process = start(tmp_path, store, FAKE_SLOW="2")
    wait_for_calls(process, tmp_path, 1)
    second = run(tmp_path, store)
    assert second.returncode == 1
    assert "stage mt" in second.stderr
    assert f"is being written by process {process.pid} on {os.uname().nodename} since" in second.stderr
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-3000:]
    stages = {stage["stage"]: stage for stage in json.loads(out.splitlines()[-1])["stages"]}
    assert outputs(stages["mt"]) == expected["mt"]


def test_a_flipped_bit_is_computed_again(tmp_path: Path, expected: dict[str, bytes]) -> None:
    store = tmp_path / "store"
    stages = result(run(tmp_path, store))
    file = Path(str(stages["mt"]["path"])) / "outputs.jsonl"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    done = run(tmp_path, store)
    again = result(done)
    assert again["data"]["reused"]
    assert not again["mt"]["reused"]
    assert "is damaged and will be computed again" in done.stderr
    assert outputs(again["mt"]) == expected["mt"]
