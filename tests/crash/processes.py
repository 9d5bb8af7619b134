"""Running the `antiphon` command with fake components: in a process to be killed, or in this one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from components.data.cutting import cut_shards, make_cut
from components.data.dataset import Row
from components.records import Quarantined
from components.storage.objects.object_store import ObjectStore
from flows.cli.main import main
from tests.components.storage.written import lines_at
from tests.flows import fakes
from tests.manifests import write_rows

ROOT = Path(__file__).parents[2]
FAKES = ROOT / "tests" / "flows" / "fakes.py"
ITEMS = 320


def _rows(items: int) -> list[dict[str, str]]:
    """Texts of a page each."""
    languages = {"source_language": "en", "target_language": "de"}
    return [{"id": f"u{n:04d}", "text": f"a dog {n} " + "runs " * 300, **languages} for n in range(items)]


def count_shards(items: int) -> int:
    """Of so many texts."""
    rows = (
        Row(
            Quarantined(utterance_id=row["id"], stage="data", reason="r", detail="d"),
            make_cut(row["id"], row["text"], None, seconds=None),
        )
        for row in _rows(items)
    )
    return sum(1 for _ in cut_shards(rows))


SHARDS = count_shards(ITEMS)


@dataclass(frozen=True)
class Place:
    """A folder with a text-only manifest (stage 1 is data, stage 2 is mt), a store, and a Prefect server."""

    folder: Path
    server: str
    url: str | None = None  # of a store elsewhere
    flow: str = "cascade"
    options: tuple[str, ...] = ()
    items: int = ITEMS

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def start(self, before: Callable[[], None] | None = None, **settings: str) -> subprocess.Popen[str]:
        """Begin a run in its own process; ``before`` is called there first."""
        environment = {
            **os.environ,
            "FAKE_CALLS": str(self.folder / "calls"),
            "PYTHONPATH": str(ROOT),
            "PREFECT_API_URL": self.server,
            **settings,
        }
        return subprocess.Popen(
            [sys.executable, str(FAKES), *self._arguments()],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )

    def _arguments(self) -> list[str]:
        """The command, whose data are written."""
        manifest = write_rows(self.folder / "manifest.jsonl", _rows(self.items))
        base = ("--data", manifest, "--store", self.url or str(self.store), "--json")
        return ["run", self.flow, *base, *self.options]

    def run(self, padding: int = 0, **settings: str) -> Ended:
        """Run to the end in this process, which is seconds of imports cheaper than another one."""
        out, errors = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"PREFECT_API_URL": self.server, **settings}.items():
                patch.setenv(name, value)
            patch.setattr(fakes, "CALLS", str(self.folder / "calls"))
            patch.setattr(fakes, "PADDING", padding)
            fakes.install(patch)
            server = {PREFECT_API_URL: self.server, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
            with (
                temporary_settings(server),
                redirect_stdout(out),
                redirect_stderr(errors),
                pytest.raises(SystemExit) as ending,
            ):
                main(self._arguments())
        return Ended(int(ending.value.code or 0), out.getvalue(), errors.getvalue())

    def calls(self) -> list[str]:
        """One line per call of a component so far."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def wait_for_hold(self, process: subprocess.Popen[str], calls: int, shards: int) -> None:
        """Until the components have been called so often and so many shards are kept."""
        deadline = time.monotonic() + 200
        while len(self.calls()) < calls or self.kept() < shards:
            assert process.poll() is None, process.communicate()[1][-3000:]
            assert time.monotonic() < deadline, "the run does not get on"
            time.sleep(0.02)

    def release(self) -> None:
        """Let the translator that waits go on."""
        (self.folder / "calls.go").touch()

    def kept(self) -> int:
        """Complete shards of translations."""
        if self.url is not None:
            objects = ObjectStore(self.url)
            shards = [objects.read(name) or b"" for name in objects.list_names("shards")]
        else:
            shards = [path.read_bytes() for path in self.store.glob("shards/*/[!.]*.jsonl")]
        return sum(b'"kind": "translate"' in shard.split(b"\n", 1)[0] for shard in shards)


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    errors: str

    @property
    def stages(self) -> dict[str, dict[str, object]]:
        """The stages by name, from the last line of standard output."""
        assert self.code == 0, self.errors[-3000:]
        return {stage["stage"]: stage for stage in json.loads(self.out.splitlines()[-1])["stages"]}

    def outputs(self, stage: str) -> bytes:
        return b"\n".join(lines_at(str(self.stages[stage]["path"])))


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a run."""
    out, errors = process.communicate(timeout=240)
    return Ended(process.returncode, out, errors)
