"""The table, the help and the template of parameters say what `--set` and a file take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import ConfigError
from flows.cli.compute.parameters.config_file import gather
from flows.cli.help.parameter_printing import print_parameters
from flows.cli.help.parameters import GROUPS, MAX_MAIN, ParameterRow, parameter_rows, select_main
from flows.registry import FLOWS, flow_named
from tests.command import exit_code_of


def call(*arguments: str) -> None:
    assert exit_code_of(*arguments) == 0


def rows_of(flow: str) -> dict[str, ParameterRow]:
    return {row.name: row for row in parameter_rows(flow_named(flow).parameters)}


@pytest.mark.parametrize("flow", FLOWS)
def test_every_parameter_is_described_and_can_be_set(flow: str) -> None:
    model = flow_named(flow).parameters
    rows = rows_of(flow).values()
    assert all(row.description and row.type and row.group in GROUPS for row in rows)
    needed = {row.name: "x" for row in rows if row.is_required}
    # Setting a default that is a plain number or word again changes nothing.
    plain = [
        f"{row.name}={row.default_text}" for row in rows if row.default_text[:1] not in {"", "(", "[", "{"}
    ]
    plain += [f"{name}={value}" for name, value in needed.items()]
    assert gather(model, None, plain, {}) == model.model_validate(needed)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_template_with_every_mark_removed_changes_nothing(
    flow: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    call("run", flow, "--template")
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("##")]
    file = tmp_path / "all.yaml"
    file.write_text("\n".join(line.removeprefix("# ") for line in lines), encoding="utf-8")
    needed = {row.name: "VALUE" for row in rows_of(flow).values() if row.is_required}
    model = flow_named(flow).parameters
    if "systems" not in model.model_fields and "graph" not in needed:
        assert gather(model, file, [], {}) == model.model_validate(needed)
    assert len([line for line in lines if line]) >= len(rows_of(flow))


def test_types_choices_and_bounds_are_those_of_the_form(capsys: pytest.CaptureFixture[str]) -> None:
    call("run", "cascade", "--parameters", "--json")
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)["parameters"]}
    schema = flow_named("cascade").parameters.model_json_schema()
    for name, field in schema["$defs"]["RecognizeSettings"]["properties"].items():
        row = listed[f"asr.{name}"]
        assert row["choices"] == field.get("enum", [])
        bounds = [field[key] for key in ("minimum", "maximum", "exclusiveMinimum") if key in field]
        assert all(f"{bound:g}" in row["type"].replace(".0", "") for bound in bounds), row
        assert row["default"] == field["default"]
    assert listed["asr.beam_size"]["type"] == "whole number 1 to 64"


def test_help_of_a_flow_is_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    call("run", "merge", "--help")
    out = capsys.readouterr().out
    assert "merged by mergekit's recipe" in out
    assert "--audio" not in out  # merge takes no recording
    assert out.index("recipe  ") < out.index("\nmodels\n") < out.index("\nsearch\n")
    assert "\nrunning\n" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_stages_are_named_with_dots(capsys: pytest.CaptureFixture[str]) -> None:
    print_parameters("cascade")
    out = capsys.readouterr().out
    assert "mt.beam_size" in out
    assert "packaged:whisper-base" in out


def test_unknown_flow_is_one_clear_line() -> None:
    with pytest.raises(
        ConfigError, match=r"expected a flow, one of .*cascade, .*found 'cascode'; did you mean"
    ):
        print_parameters("cascode")


def test_a_file_with_a_pipeline_lists_what_can_be_set_beside_its_graph(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call("run", "graph.yaml", "--parameters")
    assert "until" in capsys.readouterr().out


@pytest.mark.parametrize("width", ["80", "200"])
def test_descriptions_stand_beside_the_names_where_there_is_room(
    width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    print_parameters("cascade")
    lines = capsys.readouterr().out.splitlines()
    row = rows_of("cascade")["limit"]
    line = next(n for n, line in enumerate(lines) if line.strip().startswith("limit "))
    assert (row.description[:20] in lines[line]) == (width == "200")
    assert row.description[:20] in " ".join(lines[line : line + 2])


@pytest.mark.parametrize("flow", FLOWS)
def test_few_parameters_are_listed_first_and_all_on_request(
    flow: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    rows = rows_of(flow)
    main = select_main(list(rows.values()))
    assert 1 < len(main) <= MAX_MAIN
    listed = {name for name, row in rows.items() if row.is_required or name in {"models", "dev", "test"}}
    assert listed <= {row.name for row in main}
    call("run", flow, "--parameters", "--all")
    assert all(name in capsys.readouterr().out for name in list(rows)[:1])
    call("run", flow, "--parameters")
    more = f"{len(rows) - len(main)} more: antiphon run {flow} --parameters --all"
    assert (more in capsys.readouterr().out) == (len(rows) > len(main))
