from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from components.errors import ConfigError
from flows.cli.compute.parameters.config_file import gather, parse_yaml
from flows.cli.compute.parameters.run_parameters import resolve_parameters


class Stage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    beam_size: int = Field(5, ge=1)
    language: str | None = None
    temperatures: tuple[float, ...] = (0.0,)


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")

    data: str = "sample"
    limit: int | None = Field(None, ge=1)
    asr: Stage = Field(default=Stage(beam_size=7))
    mt: Stage = Field(default=Stage())


def load(folder: Path, text: str | bytes, *assignments: str, **shortcuts: object) -> Parameters:
    file = folder / "flow.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return gather(Parameters, file, assignments, shortcuts)


def test_defaults_file_shortcuts_and_set_win_in_this_order(tmp_path: Path) -> None:
    text = "data: a\nlimit: 1\nmt: {beam_size: 1, language: 'no'}\n"
    assert gather(Parameters, None, [], {}) == Parameters()
    result = load(tmp_path, text, "mt.beam_size=3", data="b", limit=None)
    assert (result.data, result.limit, result.mt.beam_size, result.mt.language) == ("b", 1, 3, "no")
    assert load(tmp_path, text, "data=c", data="b").data == "c"


@pytest.mark.parametrize("assignment", ["mt.language=no", "mt.language=on", "mt.language='no'"])
def test_words_stay_words(assignment: str) -> None:
    assert gather(Parameters, None, [assignment], {}).mt.language in {"no", "on"}


def test_numbers_are_numbers() -> None:
    assert parse_yaml("a: 1e-3\nb: 0o17\nc: 012\nd: 1_000\n", "x")[0] == {
        "a": 0.001,
        "b": 15,
        "c": 12,
        "d": 1000,
    }
    result = gather(Parameters, None, ["mt.temperatures=[0, 1e-3, 0.5]", "limit=null"], {})
    assert result.mt.temperatures == (0.0, 0.001, 0.5)
    assert result.limit is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "data: a\nmt:\n  beam_sze: 3\n",
            r"flow.yaml:3: mt.beam_sze: no such parameter; did you mean mt.beam_size\?",
        ),
        ("dta: a\n", r"flow.yaml:1: dta: no such parameter; did you mean data\?"),
        ("zzz: a\n", r"known: data, limit, asr, mt"),
        ("limit: 0\n", r"flow.yaml:1: limit: expected at least 1, found 0"),
        ("limit: many\n", r"flow.yaml:1: limit: .*found 'many'"),
        ("data: a\ndata: b\n", r"flow.yaml:2: .*duplicate key"),
        ("data: [a\n", r"flow.yaml:\d: expected YAML"),
        ("- a\n", r"expected a mapping of parameters, found list"),
        ("mt: 3\n", r"flow.yaml:1: mt: "),
        ("data: !!python/object:os.system x\n", r"flow.yaml"),
        ("hf_token: abc\n", r"hf_token: .*secrets are refused"),
        ("mt: {api_key: abc}\n", r"api_key: .*secrets are refused"),
        (b"data: \xff\n", r"UTF-8"),
        ("[" * 100_000, r"20 deep"),
        ("data: " + "x" * 600_000, r"at most 524288 bytes"),
    ],
)
def test_faults_are_one_line_that_says_where(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    ("assignments", "shortcuts", "told"),
    [
        ((), {"limit": -3}, "--limit: expected at least 1, found -3"),
        (("limit=-3",), {}, "--set limit: expected at least 1, found -3"),
        (("mt.beam_size=0",), {}, "--set mt.beam_size: expected at least 1, found 0"),
        (("mt={beam_size: 0}",), {}, "mt.beam_size: expected at least 1, found 0"),
    ],
)
def test_a_fault_of_a_flag_names_the_flag(
    tmp_path: Path, assignments: tuple[str, ...], shortcuts: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "limit: 30\nmt: {beam_size: 2}\n", *assignments, **shortcuts)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("doubt.below=abc", "--set doubt.below: expected a number, found 'abc'"),
        ("nodes.doubt.below=abc", "--set nodes.doubt.below: expected a number, found 'abc'"),
        ("doubt.belo=1", "--set doubt.belo: route has no such setting; did you mean below?"),
        (
            "dobt.below=1",
            "--set dobt.below: expected NODE.SETTING of a node of the file or a parameter; did you "
            "mean doubt?",
        ),
    ],
)
def test_a_setting_of_a_node_is_set_by_the_name_of_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assignment: str, told: str
) -> None:
    monkeypatch.setenv("ANTIPHON_ALLOW_CODE", "1")  # which a file that a command names sets for good
    file = tmp_path / "route.yaml"
    file.write_text(
        "data: sample\nnodes:\n  asr: {kind: recognize}\n"
        "  doubt: {kind: route, of: asr, by: mean_log_prob, below: -1}\n"
        "  good: {kind: recognize, when: doubt.escalate}\n"
    )
    _, parameters = resolve_parameters(str(file), None, ["doubt.below=-2", "defaults.beam_size=2"], {})
    assert parameters.graph_values["nodes"]["doubt"]["below"] == -2
    with pytest.raises(ConfigError) as caught:
        resolve_parameters(str(file), None, [assignment], {})
    assert str(caught.value) == told


def test_aliases_do_not_explode(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    with pytest.raises(ConfigError, match="aliases count"):
        load(tmp_path, bomb)
    with pytest.raises(ConfigError):
        load(tmp_path, "a: &a [*a]\n")


@pytest.mark.parametrize("assignment", ["limit", "=3", "mt.=3", ".=3", "data.x=3", "nothing=3", "limit=[1"])
def test_wrong_assignments(assignment: str) -> None:
    with pytest.raises(ConfigError):
        gather(Parameters, None, ["data=a", assignment], {})


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.yaml"):
        with pytest.raises(ConfigError):
            gather(Parameters, path, [], {})
    assert load(tmp_path, "") == Parameters()
    assert load(tmp_path, b"\xef\xbb\xbfdata: b\n").data == "b"


@pytest.mark.parametrize(
    ("assignments", "shortcuts"), [((), {"data": "caf\udce9.wav"}), (("data=\udce9",), {})]
)
def test_what_is_no_utf8_on_the_command_line_is_one_line(
    assignments: tuple[str, ...], shortcuts: dict
) -> None:
    with pytest.raises(ConfigError, match=r"expected UTF-8, found b'.*xe9"):
        gather(Parameters, None, assignments, shortcuts)
