"""Prefect's server answers only who asks for this machine: a page that rebinds its name reads nothing."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from flows.server import server_process
from flows.server.app import HOSTS_VARIABLE, create_app
from flows.server.guarded_server import GuardedServer


def status_of(host: str) -> int:
    return TestClient(create_app()).get("/api/health", headers={"Host": host}).status_code


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:4200", "localhost:4200", "[::1]:4200"])
def test_this_machine_is_answered(host: str) -> None:
    assert status_of(host) == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4200", "127.0.0.1.evil.example", ""])
def test_another_host_is_not(host: str) -> None:
    assert status_of(host) == 400


def test_nor_is_it_over_a_web_socket() -> None:
    client = TestClient(create_app(), base_url="http://evil.example")
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/api/events/out"):
        pass


def test_other_names_can_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOSTS_VARIABLE, "prefect.local, ,10.0.0.5")
    assert [status_of(host) for host in ("prefect.local", "10.0.0.5:80", "evil.example")] == [200, 200, 400]


def test_both_servers_of_a_run_are_behind_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the command, and that of a flow which is called from Python."""
    started: list[list[str]] = []

    def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        started.append(command)
        options.pop("pass_fds", None)
        return POPEN(["/bin/cat"], **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    server_process.ServerProcess().stop()
    server = GuardedServer()
    process = server._run_uvicorn_command()
    process.wait(10)
    server._release()
    of_servers = [command for command in started if command[0] != "/bin/sh"]
    assert [command[2].rpartition("/")[2] for command in of_servers] == ["app.py", "app.py"]


POPEN = subprocess.Popen
