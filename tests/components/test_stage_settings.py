"""Markers of settings: what is inherited, optional or several is found, and forms are what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from components.stage_settings import (
    DataSet,
    DataSource,
    Device,
    FilePath,
    Marker,
    ModelRef,
    Seed,
    TableOf,
    Unkeyed,
    data_sets,
    key_values,
    marked,
    resolve_files,
    table_from_dev,
    table_kinds,
)


class Plain(BaseModel):
    model: str
    teachers: tuple[str, ...] = ()
    terms: str | None = Field(None, description="a file")
    fitted: str | None = None
    seed: int = Field(0, ge=0)
    device: str = "cpu"
    timeout: float = Field(1.0, gt=0)
    beam_size: int = 5


class Base(BaseModel):
    model: Annotated[str, Marker("model", role="text")]
    teachers: tuple[ModelRef, ...] = ()
    terms: FilePath | None = Field(None, description="a file")
    fitted: Annotated[str | None, TableOf("fit_route", from_dev=True)] = None


class Marked(Base):
    seed: Seed = Field(0, ge=0)
    device: Device = "cpu"
    timeout: Unkeyed[float] = Field(1.0, gt=0)
    beam_size: int = 5


VALUES = Marked(model="a", teachers=("b", "c"), terms="t.tsv", fitted="fit", seed=3)


def test_what_is_marked_is_found_by_role_and_the_rest_is_keyed() -> None:
    assert marked(VALUES, "model") == {"text": "a", "teacher0": "b", "teacher1": "c"}
    assert marked(VALUES, "file") == {"terms": "t.tsv"}
    assert marked(VALUES, "table") == {"fitted": "fit"}
    assert marked(VALUES, "seed") == {"seed": 3}
    assert marked(Marked(model="a"), "file") == marked(Marked(model="a"), "table") == {}
    assert key_values(VALUES) == {"beam_size": 5}
    assert table_kinds(Marked) == {"fitted": "fit_route"}
    assert table_from_dev(Marked) == ("fitted", "fit_route")
    assert table_from_dev(Plain) is None


def test_paths_start_at_the_folder_of_the_pipeline() -> None:
    assert resolve_files(VALUES, {}, Path("/p")).terms == "/p/t.tsv"
    assert resolve_files(VALUES, {"model": "m.json"}, Path("/p")).model == "/p/m.json"


def test_a_marker_does_not_change_the_form() -> None:
    assert {**Marked.model_json_schema(), "title": ""} == {**Plain.model_json_schema(), "title": ""}


class Reading(BaseModel):
    data: Annotated[dict[str, str], DataSet(limit="data_limit")] = {}
    dev: Annotated[str | None, DataSet()] = None
    data_limit: int = 7
    source_language: str = "de"


def test_data_sets_are_read_in_the_settings_languages_with_their_limits() -> None:
    settings = Reading(data={"*": "a.jsonl", "large": "b.jsonl"}, dev="c.jsonl")
    assert data_sets(settings) == {
        "data *": DataSource("a.jsonl", 7, "de"),
        "data large": DataSource("b.jsonl", 7, "de"),
        "dev": DataSource("c.jsonl", None, "de"),
    }
    assert data_sets(Reading()) == {}
    assert key_values(settings) == {"data_limit": 7, "source_language": "de"}
