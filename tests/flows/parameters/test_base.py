"""The form of every flow: what its schema says, and that a deployment's values are checked by it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from pydantic import BaseModel, Field

from components.errors import ConfigError
from flows.parameters.base import expand_parameters
from flows.registry import FLOWS, flow_named
from tests.serving import ROOT


@pytest.fixture(params=FLOWS)
def entry(request: pytest.FixtureRequest) -> Any:
    return flow_named(request.param)


def test_the_form_shows_the_fields_of_the_model(entry: Any) -> None:
    schema = entry.call.parameters.model_dump()
    fields = entry.parameters.model_fields
    assert list(schema["properties"]) == list(fields)
    for position, (name, field) in enumerate(fields.items()):
        shown = schema["properties"][name]
        assert shown["position"] == position
        assert shown["description"] == field.description, name
        assert shown["description"], f"{name} is not described"
        assert shown.get("title"), f"{name} has no title"
        if field.is_required():
            assert name in schema["required"]
            continue
        default = (
            field.default.model_dump(mode="json") if isinstance(field.default, BaseModel) else field.default
        )
        assert shown.get("default") == (list(default) if isinstance(default, tuple) else default)


def test_every_group_of_the_form_is_titled_and_its_fields_described(entry: Any) -> None:
    """A form is read by somebody who has not read the code: no bare name, no class's default."""
    schema = entry.call.parameters.model_dump()
    for name, model in schema["definitions"].items():
        assert model.get("title") or "properties" not in model, name
        for field, shown in model.get("properties", {}).items():
            assert shown.get("description"), f"{name}.{field} is not described"


def test_the_stages_of_the_cascade_show_their_own_defaults() -> None:
    schema = flow_named("cascade").call.parameters.model_dump()
    assert schema["properties"]["asr"]["default"]["model"] == "packaged:whisper-base"
    assert schema["properties"]["mt"]["default"]["model"] == "packaged:multi30k-en-de"
    assert schema["properties"]["mt"]["title"] == "Translation"
    models = schema["definitions"]
    assert models["TranslationConfig"]["properties"]["model"]["default"] == "packaged:multi30k-en-de"
    assert models["TranslationConfig"]["properties"]["beam_size"]["minimum"] == 1
    assert all(field["description"] for model in models.values() for field in model["properties"].values())


def test_a_part_of_a_stage_keeps_the_rest_of_its_defaults() -> None:
    values = flow_named("cascade").call.validate_parameters({"mt": {"beam_size": 3}, "limit": 2})
    assert (values["mt"].beam_size, values["mt"].model, values["limit"]) == (3, "packaged:multi30k-en-de", 2)


@pytest.mark.parametrize("wrong", [{"mt": {"beam_size": 0}}, {"limit": 0}, {"mt": {"beam": 1}}, {"seed": -1}])
def test_what_a_deployment_is_given_is_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterTypeError):
        flow_named("cascade").call.validate_parameters(wrong)


def test_secrets_cannot_be_parameters() -> None:
    class Wrong(BaseModel):
        hub_token: str = Field("x")

    with pytest.raises(ConfigError, match="hub_token"):
        expand_parameters(Wrong)


def test_every_entrypoint_of_the_deployments_is_a_flow() -> None:
    from prefect.utilities.importtools import import_object
    from ruamel.yaml import YAML

    file = YAML(typ="safe", pure=True).load((ROOT / "prefect.yaml").read_text())
    assert {one["name"] for one in file["deployments"]} == {*FLOWS, "nightly-evaluation"}
    entrypoints = {one["entrypoint"] for one in file["deployments"]}
    assert {f"flows/{name}.py:{name}" for name in FLOWS} <= entrypoints
    for one in file["deployments"]:
        assert one["tags"] == ["antiphon"]
        result = import_object(one["entrypoint"].replace("/", ".").replace(".py:", ":").replace(":", "."))
        assert result.validate_parameters(one.get("parameters", {})) is not None


def test_the_automations_are_what_prefect_takes() -> None:
    from prefect.events.schemas.automations import AutomationCore
    from ruamel.yaml import YAML

    from tasks.stages.comparison import QUALITY_DROPPED

    expected = {}
    for path in sorted((ROOT / "automations").glob("*.yaml")):
        for one in YAML(typ="safe", pure=True).load(path.read_text())["automations"]:
            automation = AutomationCore.model_validate(one)
            expected[automation.name] = automation.trigger.expect  # type: ignore[union-attr]
    assert expected["antiphon-quality-dropped"] == {QUALITY_DROPPED}
    assert "antiphon-lost-runs" in expected


def test_importing_a_flow_contacts_nobody() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a): raise SystemExit('a connection at import')\n"
        "socket.socket.connect = refuse\n"
        "import flows.cli.main, flows.cascade, flows.compare, flows.train\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
