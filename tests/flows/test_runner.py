"""A cascade with a real translator over threads, Dask and Ray, chosen by its parameter: the same bytes."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from components.errors import ConfigError
from components.run_record import RunRecord
from flows.preset_flow import cascade
from tasks.execution import current_node
from tasks.task_options import unwrap

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    animals, places = ("dog", "cat", "man", "woman", "child", "bird", "horse"), ("street", "beach", "park")
    texts = [f"A {a} runs on the {p} with {n} friends." for a in animals for p in places for n in range(2, 5)]
    path = tmp_path_factory.mktemp("data") / "manifest.jsonl"
    rows = [
        {"id": f"u{n}", "text": text, "source_language": "en", "target_language": "de"}
        for n, text in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def run(manifest: Path, folder: Path, runner: str | None) -> tuple[str, bytes]:
    """The key of the translation and what it wrote."""
    settings = {"model": "packaged:multi30k-en-de", "beam_size": 2, "n_best": 2}
    done: RunRecord = unwrap(
        cascade(data=str(manifest), store=str(folder), runner=runner, mt=settings)  # type: ignore[call-arg]
    )
    (ref,) = (ref for ref in done.stages if ref.stage == "mt")
    assert (ref.items, ref.quarantined, ref.reused) == (63, 0, False)
    return ref.key, (Path(ref.path) / "outputs.jsonl").read_bytes()


@pytest.fixture(scope="module")
def by_threads(server: None, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    return run(manifest, tmp_path_factory.mktemp("threads"), None)


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_the_same_bytes(
    runner: str,
    manifest: Path,
    by_threads: tuple[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And while the cluster of this machine is there, no other machine can reach it."""
    pytest.importorskip(f"prefect_{runner}", reason=f"needs the extra {runner}")
    psutil = pytest.importorskip("psutil")
    heard: list[str] = []

    def listen(*_: object) -> None:
        here = psutil.Process()
        for process in (here, *here.children(recursive=True)):
            with suppress(psutil.Error):
                connections = process.net_connections("tcp")
                heard.extend(one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN)

    monkeypatch.setattr(current_node, "publish_node", listen)
    monkeypatch.setenv("ANTIPHON_WORKERS", "2")
    threads = os.environ.get("OMP_NUM_THREADS")
    assert run(manifest, tmp_path, runner) == by_threads
    assert os.environ.get("OMP_NUM_THREADS") == threads  # what this process starts later has its own keys
    assert heard
    assert {address.removeprefix("::ffff:") for address in heard} == {"127.0.0.1"}


def test_an_extra_that_is_absent_is_said_in_one_line(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prefect_dask.task_runners", None)
    monkeypatch.delitem(sys.modules, "tasks.dask_cluster", raising=False)
    with pytest.raises(ConfigError, match=r"runner dask: expected the package prefect-dask, found none"):
        run(manifest, tmp_path, "dask")
    assert signal.set_wakeup_fd(-1) == -1, "SIGTERM is watched for a run that never began"
