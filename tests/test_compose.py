"""compose.yaml cannot be run here: what it names exists, in itself, in our files and in our documentation."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from prefect.settings import Settings

from components.files.digests import CACHE_VARIABLE
from components.storage.places.location import STORE_VARIABLE, local_root

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def prefect_names(model: Any) -> set[str]:
    """Environment variables that Prefect's settings are read from."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if hasattr(inner, "model_fields"):
            names |= prefect_names(inner)
        else:
            names.add(model.model_config["env_prefix"] + name.upper())
            alias = field.validation_alias
            names |= {str(choice).upper() for choice in getattr(alias, "choices", ())}
    return names


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_whole(name: str) -> None:
    service = SERVICES[name]
    assert ("image" in service) != ("build" in service)
    for other, wish in service.get("depends_on", {}).items():
        assert wish["condition"] in {"service_healthy", "service_completed_successfully", "service_started"}
        assert wish["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]
    for volume in service.get("volumes", ()):
        assert volume.split(":")[0] in COMPOSE["volumes"]
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:")


def test_images_have_versions_and_ours_is_not_run_as_root() -> None:
    images = [service["image"] for service in SERVICES.values() if "image" in service]
    for image in images:
        assert re.fullmatch(r"[a-z/]+:v?\d[\w.-]*", image), image
    user = DOCKERFILE.rpartition("\nUSER ")[2].splitlines()[0]
    assert user not in {"", "root", "0"}
    owned = re.findall(rf"install -d -o {user} -g {user} (.+)$", DOCKERFILE, re.MULTILINE)[0].split()
    mounted = [v.split(":")[1] for v in SERVICES["worker"]["volumes"]]
    assert set(mounted) <= set(owned)


def test_every_volume_is_used() -> None:
    used = {v.split(":")[0] for service in SERVICES.values() for v in service.get("volumes", ())}
    assert used == set(COMPOSE["volumes"])


def test_every_variable_is_known_to_someone() -> None:
    ours = {STORE_VARIABLE, CACHE_VARIABLE, "DO_NOT_TRACK"}
    clients = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
    images = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "ROOT_ACCESS_KEY", "ROOT_SECRET_KEY"}
    known = ours | clients | images | prefect_names(Settings)
    for service in SERVICES.values():
        assert set(service.get("environment", {})) <= known


def test_every_secret_is_in_the_example() -> None:
    example = (ROOT / "deploy.env.example").read_text("utf-8")
    asked = set(re.findall(r"\$\{(\w+)", TEXT))
    assert asked == set(re.findall(r"^(\w+)=$", example, re.MULTILINE))


def test_nothing_starts_without_its_secrets() -> None:
    """Compose refuses a variable with ``:?`` that is not set or empty, as it is in the example."""
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) == set(re.findall(r"\$\{(\w+)", TEXT))
    password = SERVICES["server"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"]
    assert password.startswith("${PREFECT_AUTH:?")
    assert SERVICES["worker"]["environment"]["PREFECT_API_AUTH_STRING"] == password
    assert "\n.env\n" in (ROOT / ".gitignore").read_text("utf-8")


def test_every_address_is_a_service_on_its_port() -> None:
    worker = SERVICES["worker"]["environment"]
    database = SERVICES["server"]["environment"]["PREFECT_API_DATABASE_CONNECTION_URL"]
    for url in (worker["PREFECT_API_URL"], worker["AWS_ENDPOINT_URL"], database):
        assert urlsplit(url.replace("${POSTGRES_PASSWORD}", "x")).hostname in SERVICES
    assert str(urlsplit(worker["AWS_ENDPOINT_URL"]).port) in " ".join(SERVICES["objects"]["command"])
    assert local_root(worker["ANTIPHON_STORE"]) is None
    bucket = urlsplit(worker["ANTIPHON_STORE"]).netloc
    assert SERVICES["bucket"]["command"][-1] == f"{SERVICES['objects']['command'][-1]}/{bucket}"


def test_every_prefect_command_is_documented() -> None:
    documented = "".join(
        (ROOT / "docs" / "use" / name).read_text("utf-8") for name in ("deployments.md", "scaling.md")
    )
    commands = [
        " ".join(s["command"]) for s in SERVICES.values() if "prefect " in " ".join(s.get("command", ()))
    ]
    commands = [part.removeprefix("sh -c ") for command in commands for part in command.split(" && ")]
    commands.append(" ".join(re.findall(r'"([^"]+)"', DOCKERFILE.rpartition("CMD")[2])))
    assert len(commands) == 6
    for command in commands:
        assert command.replace(" --host 0.0.0.0", "") in documented


def test_a_worker_with_a_card_is_the_other_worker_and_asks_for_one() -> None:
    """Of Compose's own form: deploy.resources.reservations.devices, of which capabilities are required."""
    own = {name: SERVICES["worker-gpu"][name] for name in SERVICES["worker"]}
    assert own == SERVICES["worker"] and SERVICES["worker-gpu"]["profiles"] == ["gpu"]
    assert "profiles" not in SERVICES["worker"]
    (device,) = SERVICES["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "device_ids": ["0"], "capabilities": ["gpu"]}


def test_the_worker_polls_the_pool_of_the_deployments() -> None:
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))
    pool = deployments["definitions"]["common"]["work_pool"]["name"]
    for service in SERVICES.values():
        command = service.get("command", [])
        assert "--pool" not in command or command[command.index("--pool") + 1] == pool


def test_the_image_can_be_built_from_what_is_here() -> None:
    sources = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY")]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    for source in (name for names in sources for name in names):
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored
    (extras,) = re.findall(r"'\.\[(.+)\]'", DOCKERFILE)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_server_and_workers_have_one_version_of_prefect() -> None:
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    assert SERVICES["server"]["image"].split(":")[1].startswith(pins["prefect"] + "-")
