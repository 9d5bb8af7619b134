"""A deployment on a server gets the settings of an accepted run again."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from flows.parameters.pipeline import PipelineParameters
from flows.python_flows.rollback import parameters_after
from tests.flows.test_cascade import Command, calls, manifest  # noqa: F401 - a fixture
from tests.flows.test_compare import antiphon as command  # noqa: F401 - a fixture

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("calls"), pytest.mark.usefixtures("server")]


def deploy(**parameters: object) -> str:
    """A deployment of the cascade; its id."""
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("cascade")
        return str(client.create_deployment(flow, "rolled-back", parameters=parameters))


def parameters_of(deployment: str) -> dict[str, Any]:
    with get_client(sync_client=True) as client:
        return dict(client.read_deployment(deployment).parameters)


def test_a_deployment_gets_the_settings_of_the_accepted_run_but_not_its_data(
    command: Command,  # noqa: F811
    tmp_path: Path,
) -> None:
    data = manifest(tmp_path, {"id": "a", "text": "a dog runs", "references": ["ein Hund läuft"]})
    code, _ = command("run", "cascade", "--data", data, "--name", "accepted", "--set", "mt.model=good")
    assert code == 0
    new = {"data": "tonight.jsonl", "name": "nightly", "seed": 7, "mt": {"model": "poor", "beam_size": 2}}
    deployment = deploy(**new)

    def roll_back(**values: str) -> tuple[int, Any]:
        flags = [f"--set={key}={value}" for key, value in {"accepted": "accepted", **values}.items()]
        return command("run", "rollback", *flags)

    code, output = roll_back(deployment="cascade/rolled-back")
    assert (code, output["status"]) == (0, "completed")
    (note,) = json.loads((Path(output["path"]) / "run.json").read_text())["notes"]
    assert note == "cascade/rolled-back has the settings of accepted again: seed, mt"
    after = parameters_of(deployment)
    assert (after["data"], after["name"]) == ("tonight.jsonl", "nightly")
    assert (after["mt"]["model"], after["mt"]["beam_size"]) == ("good", 5)  # its beam was the default
    assert "seed" not in after  # the accepted run had the default
    for name, found in (
        ("refine/rolled-back", "expected one of cascade"),
        ("cascade/absent", "found cascade/absent"),
    ):
        code, message = roll_back(deployment=name)
        assert (code, found in message) == (2, True), message
    assert parameters_of(deployment) == after


def test_a_graph_comes_back_as_text_which_forms_show() -> None:
    graph = {"nodes": {"asr": {"kind": "recognize", "model": "packaged:whisper-base"}}}
    accepted = SimpleNamespace(flow="pipeline", parameters={"graph": graph, "limit": 5})
    after = parameters_after(accepted, {"graph": "{}", "audio": "talks", "anyway": True})  # type: ignore[arg-type]
    assert after.keys() == {"graph", "audio"} and isinstance(after["graph"], str)
    assert PipelineParameters.model_validate(after).graph_values == graph
