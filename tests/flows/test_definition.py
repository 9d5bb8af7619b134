"""Functions of parameters as flows: what Prefect shows and calls, and the deployments of prefect.yaml."""

from __future__ import annotations

import re

import jsonschema
import pytest
from prefect.utilities.callables import get_call_parameters, parameter_schema
from pydantic import Field

from components.errors import ConfigError
from flows.definition import define_flow
from flows.parameters.base import FlowParameters
from flows.parameters.form import build_form
from flows.presets.files import list_presets
from flows.registry import FLOWS, flow_named
from tests.fresh_process import run_python
from tests.serving import ROOT


def test_a_deployment_gets_the_form_and_a_call_the_defaults() -> None:
    """`prefect deploy` makes the schema of the flow, a run takes what it is not given from the function."""
    cascade = flow_named("cascade").call
    form = build_form(flow_named("cascade").parameters)
    schema = parameter_schema(cascade).model_dump()
    assert schema == cascade.parameters.model_dump()
    for position, (name, field) in enumerate(form.items()):
        assert schema["properties"][name] == {**field, "position": position}
    assert get_call_parameters(cascade.fn, (), {"limit": 2})["name"] is None
    assert parameter_schema(flow_named("blame").call).required == ["run"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mt": {"beam_size": 0}}, "mt.beam_size: expected at least 1, found 0"),
        ({"mt": {"beam": 1}}, "mt.beam: no such parameter; did you mean mt.beam_size?"),
        ({"limit": "few"}, "limit: expected a whole number, found 'few'"),
    ],
)
def test_wrong_values_are_described_as_on_the_command_line(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        flow_named("cascade").call.fn(**wrong)


def test_secrets_cannot_be_parameters() -> None:
    class Wrong(FlowParameters):
        hub_token: str = Field("x")

    with pytest.raises(ConfigError, match="hub_token"):
        define_flow(Wrong)


def test_every_entrypoint_of_the_deployments_is_a_flow() -> None:
    from prefect.utilities.importtools import import_object
    from ruamel.yaml import YAML

    file = YAML(typ="safe", pure=True).load((ROOT / "prefect.yaml").read_text())
    assert {one["name"] for one in file["deployments"]} >= {*FLOWS, "nightly-evaluation"}
    entrypoints = {one["entrypoint"] for one in file["deployments"]}
    presets = set(list_presets())
    expected = {
        f"flows/{'preset_flow' if name in presets else f'python_flows/{name}'}.py:{name}" for name in FLOWS
    }
    assert expected <= entrypoints
    for one in file["deployments"]:
        assert one["tags"] == ["antiphon"]
        deployed = import_object(one["entrypoint"].replace("/", ".").replace(".py:", ":").replace(":", "."))
        values = one.get("parameters", {})
        jsonschema.validate(values, {"properties": deployed.parameters.properties})
        assert flow_named(deployed.name).parameters.model_validate(values)
        as_text = [values[name] for name in ("graph", "search") if name in values]  # forms show no objects
        assert all(isinstance(text, str) for text in as_text), one["name"]


def test_the_automations_are_what_prefect_takes() -> None:
    from prefect.events.schemas.automations import AutomationCore
    from ruamel.yaml import YAML

    from components.comparison.analysis import QUALITY_DROPPED

    expected = {}
    for path in sorted((ROOT / "automations").glob("*.yaml")):
        for one in YAML(typ="safe", pure=True).load(path.read_text())["automations"]:
            automation = AutomationCore.model_validate(one)
            expected[automation.name] = automation.trigger.expect  # type: ignore[union-attr]
    assert expected["antiphon-quality-dropped"] == {QUALITY_DROPPED}
    ends = ("Completed", "CompletedWithQuarantine", "Suspended")  # of runs that send no further heartbeat
    assert expected["antiphon-lost-runs"] >= {f"prefect.flow-run.{name}" for name in ends}


def test_the_settings_hold_in_the_process_of_a_worker() -> None:
    """It reads Prefect's before it imports the flow; silent for 180 s, each longer run would be lost."""
    printed = run_python(
        "import logging, prefect.main, flows.preset_flow\n"
        "from prefect.settings import get_current_settings\n"
        "print(get_current_settings().flows.heartbeat_frequency, logging.getLogger('antiphon').handlers)\n"
    )
    assert printed.startswith("30 [<APILogHandler")


def test_importing_a_flow_contacts_nobody() -> None:
    run_python(
        "import socket, sys\n"
        "def refuse(*a): raise SystemExit('a connection at import')\n"
        "socket.socket.connect = refuse\n"
        "import flows.cli.main, flows.preset_flow, flows.python_flows.compare, flows.system\n"
    )
