"""The table of parameters says what `--set` takes."""

from __future__ import annotations

import pytest

from components.errors import ConfigError
from flows.cli.config_file import gather
from flows.cli.main import main
from flows.cli.parameters import REQUIRED, parameter_rows, print_parameters
from flows.registry import FLOWS, flow_named


@pytest.mark.parametrize("flow", FLOWS)
def test_every_parameter_is_described_and_can_be_set(flow: str) -> None:
    model = flow_named(flow).parameters
    rows = list(parameter_rows(model))
    assert all(description for _, _, description in rows)
    needed = {name: "x" for name, value, _ in rows if value == REQUIRED}
    # Setting a default that is a plain number or word again changes nothing.
    plain = [f"{name}={value}" for name, value, _ in rows if value and value[0] not in "([{"]
    plain += [f"{name}={value}" for name, value in needed.items()]
    assert gather(model, None, plain, {}) == model.model_validate(needed)


def test_stages_are_named_with_dots(capsys: pytest.CaptureFixture[str]) -> None:
    print_parameters("cascade")
    out = capsys.readouterr().out
    assert "mt.beam_size" in out
    assert "packaged:whisper-base" in out


def test_unknown_flow_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match=r"expected a flow, one of .*cascade, .*found 'cascode'"):
        print_parameters("cascode")


def test_a_file_with_a_pipeline_lists_what_can_be_set_beside_its_graph(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["run", "graph.yaml", "--parameters"])
    assert not ending.value.code
    assert "until" in capsys.readouterr().out
