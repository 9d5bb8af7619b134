"""What is left of a process that is ended: tried on forks of this one, which are then killed or time out."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from prefect.exceptions import TerminationSignal
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from components.errors import TransientError
from components.nodes.node_context import NodeContext
from components.own_code import own_program
from flows import signals
from flows.server import ephemeral_server, guarded_server, server_process
from tests.components.nodes.items import items


def fork(do: Callable[[], object]) -> int:
    """Run ``do`` in a fork of this process; its id."""
    if child := os.fork():
        return child
    with suppress(BaseException):
        do()
    os._exit(99)


def gone_within(seconds: float, is_gone: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not is_gone():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_over(process: int) -> bool:
    """Whether a process has ended, were it only as a zombie that nobody waits for."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def tell(folder: Path, server: int) -> None:
    """Tell a parent process which server was started."""
    (folder / "new").write_text(str(server))
    (folder / "new").rename(folder / "server")


def assert_server_ends_with(run: Callable[[], None], folder: Path) -> None:
    """The server that ``run`` has told of is gone once its process is killed."""
    child = fork(run)
    assert gone_within(30, (folder / "server").exists)
    server = int((folder / "server").read_text())
    assert not is_over(server)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert gone_within(30, lambda: is_over(server))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_the_server_of_a_killed_run_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It used to listen for ever, 266 MB each time."""
    assert type(SubprocessASGIServer()) is guarded_server.GuardedServer  # the one that Prefect starts
    monkeypatch.setattr(guarded_server, "COMMAND", ["/bin/sh", "-c", "exec sleep 60"])

    def run() -> None:
        tell(tmp_path, guarded_server.GuardedServer()._run_uvicorn_command().pid)
        time.sleep(60)

    assert_server_ends_with(run, tmp_path)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_own_programs_of_a_run_that_is_ended_are_gone(by: signal.Signals, tmp_path: Path) -> None:
    """They used to go on for ever after SIGKILL; after the others some were begun again, record by record."""
    begun = tmp_path / "begun"
    program = ["/bin/sh", "-c", f"sleep 60 & echo $$ $! >> {begun}; wait"]  # what it starts is of its group
    node = own_program.OwnProgram(program, NodeContext("node"), "text", (), 60, lines=True)

    def run() -> None:
        with signals.handle_signals():
            threads = [threading.Thread(target=node, args=(items("a", "b"),)) for _ in range(3)]
            for thread in threads:
                thread.start()
            with suppress(signals.SigtermReceived):
                time.sleep(60)
            signals.exit_after_sigterm()

    child = fork(run)
    assert gone_within(30, lambda: begun.exists() and len(begun.read_text().splitlines()) == 3)
    os.kill(child, by)
    os.waitpid(child, 0)
    processes = [int(number) for number in begun.read_text().split()]
    assert gone_within(5, lambda: all(map(is_over, processes)))
    assert begun.read_text().split() == [str(each) for each in processes]


SLOW_SERVER = """
import socket, sys, time
time.sleep(0.2)
listening = socket.socket(fileno=int(sys.argv[-1]))
while True:
    connection, _ = listening.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\ntrue")
    connection.close()
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_command_waits_for_its_own_server_which_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_process, "COMMAND", [sys.executable, "-c", SLOW_SERVER])
    monkeypatch.delenv("PREFECT_API_URL", raising=False)

    def run() -> None:
        settings = {PREFECT_HOME: tmp_path}
        with temporary_settings(settings, restore_defaults={PREFECT_API_URL}):
            ephemeral_server.start_server(server_process.start_importing())
            own = ephemeral_server._own_server
        seen: list[str | None] = []
        thread = threading.Thread(target=lambda: seen.append(PREFECT_API_URL.value()))  # no context
        thread.start()
        thread.join()
        assert seen == [own.url]
        assert ephemeral_server.is_own_server()
        ephemeral_server.check_server()
        tell(tmp_path, own._process.pid)
        os.kill(own._process.pid, signal.SIGSTOP)  # one that is stuck is ended too
        time.sleep(60)

    assert_server_ends_with(run, tmp_path)


def test_a_server_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "COMMAND", [sys.executable, "-c", "raise SystemExit(3)"])
    server = server_process.ServerProcess()
    with pytest.raises(TransientError, match="temporary server to start, found") as result:
        server.wait(10)
    assert "\n" not in str(result.value)
    server.stop()


def test_a_server_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "COMMAND", [sys.executable, "-c", "import time; time.sleep(60)"])
    server = server_process.ServerProcess()
    process = server._process
    os.kill(process.pid, signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)  # it has stopped: SIGTERM waits until it goes on
    patience = process.wait
    monkeypatch.setattr(process, "wait", lambda seconds: patience(seconds / 50))
    server.stop()
    assert patience(10) == -signal.SIGKILL


def test_sigterm_ends_a_flow_in_time_whatever_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect waits for the shard at work, and a thread inside PyTorch cannot be stopped."""
    monkeypatch.setattr(signals, "SIGTERM_LIMIT_SECONDS", 0.2)

    def terminate(number: int, frame: object) -> None:
        raise TerminationSignal(number)

    def run() -> None:
        signal.signal(signal.SIGTERM, terminate)
        with suppress(TerminationSignal), signals.limit_time_after_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        time.sleep(60)

    begun = time.monotonic()
    _, status = os.waitpid(fork(run), 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTERM
    assert time.monotonic() - begun < 10


def test_a_flow_in_a_thread_is_not_watched() -> None:
    """Python refuses a wakeup descriptor outside the main thread; the flow runs without one."""
    entered: list[int] = []

    def run() -> None:
        with signals.limit_time_after_sigterm():
            entered.append(threading.get_ident())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert entered == [thread.ident]


def test_a_flow_that_ends_by_itself_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "SIGTERM_LIMIT_SECONDS", 0.1)
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        with signals.limit_time_after_sigterm(), signals.limit_time_after_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
    finally:
        signal.signal(signal.SIGTERM, before)
