"""Fixtures that several folders of tests share."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import processor
from tests.openai_server import KEY, OpenAIServer, openai_server
from tests.s3 import BUCKET, s3_server
from tests.serving import prefect_server
from tests.web import WebServer, web_server

# Tests expect a CPU's bytes, also on a machine with a card; processes that they start inherit this.
os.environ["ANTIPHON_DEVICE"] = "cpu"
# The suite runs in as many processes as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A process of the suite meets the models of all tests; by itself it would keep them in 60% of the memory.
os.environ.setdefault("ANTIPHON_MEMORY_BUDGET", "3GiB")
if not Path("/dev/nvidiactl").exists():  # kernels in Triton are interpreted; read when it is imported
    os.environ["TRITON_INTERPRET"] = "1"

gc.disable()  # gathering 7,000 tests makes millions of objects that stay; looking through them takes 10 s

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


class FailuresAtOnce:
    """Names a test when it fails: a run that is ended from outside prints no summary."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a line where a test has failed."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            message, *_ = (crash.message if crash else report.longreprtext).splitlines() or [""]
            self._terminal.write_line(f"\nFAILED {report.nodeid}: {message}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that this processor cannot run: elsewhere they may fail."""
    if lines := processor.skips(terminalreporter.stats.get("skipped", [])):
        terminalreporter.section("skipped on this processor")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test of the core that skips has failed: it is to run on every processor."""
    report = yield
    if report.skipped and item.get_closest_marker("core"):
        report.outcome, report.longrepr = "failed", f"a test of the core was skipped: {report.longrepr}"
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    """Name failures at once, in the process that has the terminal."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(FailuresAtOnce(terminal))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that need a server or a browser go first: where a long one comes last, the other cores idle.

    Those of this folder go next, as the last of them takes long; tests/tasks, whose are short, comes last.
    """

    def is_long(item: pytest.Item) -> bool:
        return not {"prefect_url", "browser"}.isdisjoint(getattr(item, "fixturenames", ()))

    long = {item.path for item in items if is_long(item)}
    here = Path(__file__).parent
    items.sort(key=lambda item: (item.path not in long, item.path.parent != here))


def pytest_collection_finish() -> None:
    """Nobody looks again through what was gathered, nor often through what tests make."""
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()


@pytest.fixture(scope="session")
def torch_threads() -> int:
    """How many threads torch takes by itself."""
    import torch

    return torch.get_num_threads()


@pytest.fixture(autouse=True)
def same_threads(torch_threads: int) -> Iterator[None]:
    """Tests leave torch's threads as they were: their number is part of the keys of stages."""
    import torch

    torch.set_num_threads(torch_threads)
    yield


@pytest.fixture(scope="session", autouse=True)
def unsynced() -> Iterator[None]:
    """The power fails in no test, so none waits for the disk; processes that tests start do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def own_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own kernels, whatever ``ANTIPHON_KERNELS`` says outside."""
    from components.kernels.llvm.native_code import supports_native

    monkeypatch.setenv("ANTIPHON_KERNELS", "own")
    processor.require(supports_native(), "AVX-512, or torch without OpenMP")


@pytest.fixture
def packed_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed layers, by oneDNN where that is what ``ANTIPHON_KERNELS`` says, also where it is ``plain``."""
    from components.compute.layers.packed_linear import can_pack

    if os.environ.get("ANTIPHON_KERNELS") == "plain":
        monkeypatch.setenv("ANTIPHON_KERNELS", "own")
    processor.require(can_pack(), "packed layers")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A device as strict as CUDA."""
    from tests.strict_device import strict_device

    with strict_device(monkeypatch) as device:
        yield device


_WITHOUT_DOUBLES: set[str] = set()
"""Modules that were looked at: all of them, after every test, would take some milliseconds each time."""
_imported = 0
"""How many modules there were when they were looked at."""


@pytest.fixture(autouse=True)
def no_doubles_left(same_threads: None) -> Iterator[None]:
    """A module that was imported while a test had a double of ``resolve`` or ``check`` gets the real one.

    ``from components.models import resolve`` binds what is there at that moment, and many modules are
    imported where they are first needed. Begun before other fixtures, this ends after monkeypatch's.
    """
    global _imported
    yield
    models = sys.modules.get("components.models") if len(sys.modules) != _imported else None
    _imported = len(sys.modules)
    for name in sys.modules.keys() - _WITHOUT_DOUBLES if models else ():
        module, doubles = sys.modules[name], []
        if name.startswith(("components.", "tasks.", "flows.")):
            bound = {function: vars(module).get(function) for function in ("resolve", "check")}
            doubles = [f for f, b in bound.items() if getattr(b, "__module__", "").startswith("tests.")]
        for function in doubles:
            setattr(module, function, getattr(models, function))
        if not doubles:
            _WITHOUT_DOUBLES.add(name)


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a Prefect server that lives as long as the tests."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as url:
        yield url


@pytest.fixture(scope="module")
def undrawn_plots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Reports are made whole, but their figures stay empty: drawing takes a third of a run's time.

    tests/reports/plots draws them as users see them, and so do the runs of tests/flows/test_deployments.py.
    """
    from matplotlib.figure import Figure

    from components.analysis import figures
    from reports.plots import pictures

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "draw", lambda figure, renderer: None)
        empty = {"svg": figures.to_svg(Figure()), "png": figures.to_png(Figure(), "")}
        patch.setattr(pictures, "_draw", lambda plot, suffix: empty[suffix])
        patch.setattr(pictures, "cache_folder", lambda: tmp_path_factory.getbasetemp())  # not the user's
        yield


@pytest.fixture(scope="module")
def server(prefect_url: str, undrawn_plots: None) -> Iterator[None]:
    """The flows of a module run on that server, and a command starts none of its own.

    They send no heartbeats: Prefect waits up to a second at the end of each flow for the thread that does.
    What may pass is tried again at once.
    """
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from tasks.engines import shard_computation

    values = {PREFECT_API_URL: prefect_url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(values), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", prefect_url)
        patch.setattr(shard_computation, "_RETRY_SECONDS", (0.0, 0.1))
        yield


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    """The variables that lead to an S3 server that lives as long as the tests."""
    pytest.importorskip("moto", reason="needs moto's S3 server")
    with s3_server() as values:
        yield values


@pytest.fixture
def s3_url(
    s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """An empty folder in a bucket, for this process and those that it starts."""
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{request.node.name[:40]}"


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """A web server from which files may be fetched, and an empty cache."""
    from components.files.locations import fetched_files

    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    fetched_files.forget()
    with web_server() as server:
        monkeypatch.setenv("ANTIPHON_AUDIO_HOSTS", server.url)
        yield server


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """The server behind ``served:echo``, which answers in capitals, and an empty cache of answers."""
    pytest.importorskip("openai", reason="needs the extra served")
    from components.endpoints import chat, connection, transcription

    chat._MODELS.clear()  # what was found out of a server of an earlier test, which had the same port
    connection.connect.cache_clear()
    transcription._open_at.cache_clear()
    for name in [name for name in os.environ if name.startswith("ANTIPHON_SERVED")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    with openai_server() as server:
        monkeypatch.setenv("ANTIPHON_SERVED_URL", server.url)
        monkeypatch.setenv("ANTIPHON_SERVED_KEY", KEY)
        monkeypatch.setenv("ANTIPHON_SERVED_RETRIES", "1")
        monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.02)  # of half a second
        yield server
