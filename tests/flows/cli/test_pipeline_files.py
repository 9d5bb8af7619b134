"""Relative paths of a pipeline file start at its folder; what is only here is taken, and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli.files.init import path_for_file, reference_for_file
from flows.parameters.pipeline_files import resolve_file_paths

NODE = {"kind": "translate", "of": "data"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shell's folder with ``project/`` beside what only the shell's folder has."""
    (tmp_path / "project" / "talks").mkdir(parents=True)
    for name in ("project/a.en", "project/a.de", "project/talks/one.wav", "here.en", "shared.txt"):
        (tmp_path / name).touch()
    (tmp_path / "soup").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def resolve(**values: object) -> dict[str, object]:
    return resolve_file_paths({"nodes": {"de": NODE}, **values}, Path("project/talk.yaml"))


@pytest.mark.parametrize(
    ("key", "value", "resolved"),
    [
        ("data", "a.en", "project/a.en"),
        ("data", "./a.en,a.de", "project/a.en,project/a.de"),
        ("data", "fold:1/3:a.en", "fold:1/3:project/a.en"),
        ("data", "paragraphs:../shared.txt", "paragraphs:shared.txt"),
        ("data", "missing.jsonl", "project/missing.jsonl"),
        ("data", "sample", "sample"),
        ("data", "multi30k:val", "multi30k:val"),
        ("audio", "talks", "project/talks"),
        ("audio", "talks/*.wav\ntalks/one.wav", "project/talks/*.wav\nproject/talks/one.wav"),
        ("confirm", "0.4", "0.4"),
        ("confirm", "a.en", "project/a.en"),
        ("name", "a.en", "a.en"),
    ],
)
def test_data_are_those_beside_the_file(key: str, value: str, resolved: str) -> None:
    assert resolve(**{key: value})[key] == resolved


def test_an_absolute_path_stays(folder: Path) -> None:
    assert resolve(data=f"{folder}/here.en")["data"] == f"{folder}/here.en"


def test_models_that_begin_with_a_dot_are_beside_the_file_and_own_code_is_left_alone(folder: Path) -> None:
    nodes = {
        "de": {**NODE, "model": "../soup+0.5*./lora", "members": [{"model": "./m"}, {"model": "hub:a/b"}]},
        "fit": {"kind": "estimate", "of": "de", "dev": "a.en"},
        "own": {"kind": "command", "run": ["./tool", "../x"]},
    }
    resolved = resolve(nodes=nodes)["nodes"]
    assert resolved == {
        "de": {
            **NODE,
            "model": f"{folder}/soup+0.5*{folder}/project/lora",
            "members": [{"model": f"{folder}/project/m"}, {"model": "hub:a/b"}],
        },
        "fit": {"kind": "estimate", "of": "de", "dev": "project/a.en"},
        "own": nodes["own"],
    }


def test_what_is_only_in_this_folder_is_taken_and_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = {"de": {**NODE, "model": "./soup"}}
    resolved = resolve(data="here.en", nodes=nodes)
    assert (resolved["data"], resolved["nodes"]) == ("here.en", {"de": {**NODE, "model": f"{folder}/soup"}})
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("antiphon: project/talk.yaml: data: here.en is not in project but in this folder")
    assert second.startswith("antiphon: project/talk.yaml: nodes.de.model: ./soup is not in project but in")


def test_a_file_of_this_folder_is_as_it_is_written(folder: Path) -> None:
    values = {"nodes": {"de": {**NODE, "model": "./soup"}}, "data": "nowhere.en"}
    assert resolve_file_paths(values, Path("talk.yaml")) == values


def test_a_new_file_names_what_is_here_from_its_own_folder() -> None:
    file = Path("project/new.yaml")
    assert path_for_file("project/talks/*.wav", file) == "talks/*.wav"
    assert path_for_file("here.en,shared.txt", file) == "../here.en,../shared.txt"
    assert path_for_file("paragraphs:shared.txt", file) == "paragraphs:../shared.txt"
    assert path_for_file("sample", file) == "sample"
    assert path_for_file("here.en", Path("new.yaml")) == "here.en"
    assert reference_for_file("./soup", file) == "../soup"
    assert reference_for_file("./project/m", file) == "./m"
    assert reference_for_file("hub:a/b", file) == "hub:a/b"
