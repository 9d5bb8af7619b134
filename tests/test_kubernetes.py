"""The files for Kubernetes: the work pool's template is Prefect's but for our values; all name the same."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import prefect
from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[1] / "examples" / "kubernetes"


def load(name: str) -> Any:
    return YAML(typ="safe").load((FOLDER / name).read_text("utf-8"))


def test_the_template_of_a_work_pool_is_prefects_with_other_defaults() -> None:
    views = Path(prefect.__file__).parent / "server/api/collections_data/views/aggregate-worker-metadata.json"
    workers = json.loads(views.read_text("utf-8"))["prefect-kubernetes"]
    shipped: Any = workers["kubernetes"]["default_base_job_configuration"]
    ours = json.loads((FOLDER / "work-pool.json").read_text("utf-8"))
    schema = ours["variables"]
    defaults = {name: field["default"] for name, field in schema["properties"].items() if "default" in field}
    jsonschema.validate(defaults, schema)
    for template in (ours, shipped):
        for field in template["variables"]["properties"].values():
            field.pop("default", None)
        (container,) = template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"]
        container.pop("args")
        container.pop("envFrom", None)
    assert ours == shipped


def test_cluster_and_job_are_alike() -> None:
    cluster, job = load("ray-cluster.yaml"), load("ray-job.yaml")
    assert job["spec"]["rayClusterSpec"] == cluster["spec"]
    assert cluster["spec"]["rayVersion"] == version("ray")
    pool = json.loads((FOLDER / "work-pool.json").read_text("utf-8"))["variables"]["properties"]
    assert pool["env"]["default"]["RAY_ADDRESS"] == f"{cluster['metadata']['name']}-head-svc:6379"
    for group in (cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"] == pool["image"]["default"]
