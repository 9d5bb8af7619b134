"""Own functions: what they get and give, and that nothing they do wrong loses more than their own record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from components.errors import AntiphonError, ConfigError, TransientError
from components.nodes.node_context import Item, NodeContext
from components.own_code.python import Python, PythonSettings
from components.records import NBest, Quarantined, Route, Utterance
from tests.components.nodes.items import compute, item, items, nbest, texts_of

pytestmark = pytest.mark.usefixtures("allowed")
STEPS = """
import json

def restore(record):
    return record["text"].capitalize() + "."

def candidates(record):
    return [(record["text"] + "?", -2.0), ("none", -5.5)]

def detailed(record, mark="!"):
    return {"id": record["id"], "text": record["text"] + mark, "features": {"length": len(record["text"])}}

def everything(record):
    return json.dumps(record, sort_keys=True)

def poisoned(record):
    if record["text"] == "poison":
        raise ValueError("no such\\nword")
    return record["text"]

def odd(record):
    return {"number": 3, "none": None, "wrong": {"id": "x", "text": "t"}, "nan": [("t", float("nan"))]}.get(
        record["text"], "ok"
    )

def broken(record):
    return record["missing"]

def leave(record):
    raise SystemExit(3)

def unreachable(record):
    raise ConnectionRefusedError("no server at 127.0.0.1:9")

def in_threes(record):
    return [("a", -1.0, "b")]

def whole(records):
    return "one text for all of them"

def table(record):
    if record["text"] == "a":
        return {"branch": "up", "value": 0.5}
    return {"value": record["text"] == "b" or None}

def length(record):
    return len(record["text"])

def branch(record):
    return record["text"]

def together(records):
    if any(record["text"] == "poison" for record in records):
        raise RuntimeError("one of them is poison")
    return [record["text"] + "!" for record in records]

def too_few(records):
    return ["one"]

value = 3
"""


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    path = tmp_path / "steps.py"
    path.write_text(STEPS)
    return path


def call(steps: Path, function: str, read: list[Item], **values: Any) -> list[Any]:
    context = values.pop("context", {})
    return compute(Python(), {"file": str(steps), "function": function, **values}, read, **context)


def test_a_text_a_list_or_a_dictionary_is_an_answer(steps: Path) -> None:
    assert texts_of(call(steps, "restore", items("a cat", "a dog"))) == ["A cat.", "A dog."]
    (listed,) = call(steps, "candidates", items("a cat"))
    assert [(one.text, one.score, one.system) for one in listed.hypotheses] == [
        ("a cat?", -2.0, "node"),
        ("none", -5.5, "node"),
    ]
    (detailed,) = call(steps, "detailed", items("a cat"), arguments={"mark": "#"})
    assert (detailed.best.text, detailed.best.features) == ("a cat#", {"length": 5.0})


def test_a_record_says_what_is_known_and_no_reference(steps: Path) -> None:
    """Of a translation also what it was translated from; a node that translates is told the language."""
    spoken = Utterance(
        id="u0",
        text="a cat",
        source_language="en",
        target_language="de",
        transcript="gold",
        references=("gold",),
    )
    read = Item(utterance=spoken, inputs={"mt": nbest("u0", "eine Katze", "die Katze")})
    (answer,) = call(steps, "everything", [read], context={"transcripts": False})
    assert "gold" not in answer.best.text
    record = PythonRecord(answer)
    assert (record["text"], record["language"]) == ("eine Katze", "de")
    assert (record["source"], record["source_language"], record["target_language"]) == ("a cat", "en", None)
    assert [one["text"] for one in record["inputs"]["mt"]["hypotheses"]] == ["eine Katze", "die Katze"]

    heard = Item(utterance=spoken, inputs={"asr": nbest("u0", "a cat")})
    (answer,) = call(steps, "everything", [heard], context={"translates": True})
    record = PythonRecord(answer)
    assert (record["text"], record["language"], record["target_language"]) == ("a cat", "en", "de")


def PythonRecord(answer: NBest) -> Any:  # noqa: N802 - reads as a type
    import json

    return json.loads(answer.best.text)


def test_what_fails_is_quarantined_with_its_line_and_the_others_go_on(steps: Path) -> None:
    line = 1 + STEPS.split("\n").index('        raise ValueError("no such\\nword")')
    assert texts_of(call(steps, "poisoned", items("a", "poison", "b"))) == [
        "a",
        f"own code failed: ValueError: no such word (steps.py:{line})",
        "b",
    ]
    outcomes = call(steps, "odd", items("a", "number", "none", "wrong", "nan"))
    assert [isinstance(one, Quarantined) for one in outcomes] == [False, True, True, True, True]
    details = texts_of(outcomes)
    assert "expected a text, a list of (text, score)" in details[1]
    assert "found int 3" in details[1]
    assert "expected the answer for 'u3', found one for 'x'" in details[3]
    assert "score" in details[4]
    assert "expected a text, a list of (text, score)" in texts_of(call(steps, "in_threes", items("a")))[0]
    assert "SystemExit: 3" in texts_of(call(steps, "leave", items("a")))[0]


def test_code_that_fails_for_every_record_fails_the_node_in_one_line(steps: Path) -> None:
    """Else a typing error, or a server that is down, would be kept as a finished stage."""
    with pytest.raises(
        AntiphonError, match=r"every record fails alike: KeyError: 'missing' \(steps.py:\d+\)"
    ):
        call(steps, "broken", items("a", "b", "c"))
    with pytest.raises(TransientError, match="no server"):
        call(steps, "unreachable", items("a"))


def test_a_table_is_a_number_or_a_way(steps: Path) -> None:
    (number,) = call(steps, "length", items("abc"), output="table")
    assert number == Route(utterance_id="u0", branch="scored", value=3.0)
    branch, wrong = call(steps, "branch", items("up", "off"), output="table", branches=["up", "down"])
    assert branch == Route(utterance_id="u0", branch="up")
    assert "expected one of the branches up, down, found 'off'" in wrong.detail
    both, truth, nothing = call(steps, "table", items("a", "b", "c"), output="table", branches=["up"])
    assert both == Route(utterance_id="u0", branch="up", value=0.5)
    assert "expected a number, the name of a branch, or {branch, value}" in truth.detail
    assert "expected a number" in nothing.detail


def test_a_batch_whose_function_fails_is_asked_for_one_by_one(steps: Path) -> None:
    assert texts_of(call(steps, "together", items("a", "b"), batch=True)) == ["a!", "b!"]
    outcomes = texts_of(call(steps, "together", items("a", "poison", "b"), batch=True))
    assert (outcomes[0], outcomes[2]) == ("a!", "b!")
    assert "RuntimeError: one of them is poison" in outcomes[1]
    assert texts_of(call(steps, "too_few", items("a", "b"), batch=True)) == ["one", "one"]
    (text,) = texts_of(call(steps, "whole", items("a"), batch=True))
    assert "expected a list of answers, found str" in text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"function": "restor"}, "expected a function restor, found none; did you mean restore?"),
        ({"file": "nowhere.py"}, "expected a readable Python file"),
        ({"file": None, "package": "no-such-dist", "function": "a:b"}, "found it not installed"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_runs(
    steps: Path, values: dict[str, Any], message: str
) -> None:
    settings = PythonSettings.model_validate({"file": str(steps), "function": "restore", **values})
    with pytest.raises(ConfigError) as fault:
        Python().check(settings, NodeContext("node"))
    assert message in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "expected file or package, one of the two"),
        ({"file": "a.py", "package": "pydantic"}, "expected file or package, one of the two"),
        ({"package": "pydantic"}, "function: expected module:name of the package, found 'restore'"),
        ({"file": "a.py", "branches": ["up"]}, "branches: expected output: table, found text"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PythonSettings.model_validate({"function": "restore", **values})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nothing_of_this_name\ndef f(r): ...", r"ModuleNotFoundError: .*\(bad.py:1\)"),
        ("def f(r): ...\nraise SystemExit(1)", r"SystemExit: 1 \(bad.py:2\)"),
        ("f = 3", "expected a function f, found int"),
    ],
)
def test_a_crash_of_the_import_is_one_line(tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(source)
    with pytest.raises(ConfigError, match=message):
        call(path, "f", items("a"))


def test_faulty_python_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("def f(r):\n    return (\n")
    with pytest.raises(ConfigError, match=r"bad.py:2: expected Python, found: '\(' was never closed"):
        call(path, "f", items("a"))


def test_a_changed_file_is_loaded_again_with_what_lies_beside_it(tmp_path: Path) -> None:
    path, beside = tmp_path / "own.py", tmp_path / "beside_own.py"
    path.write_text("import beside_own\ndef f(record): return beside_own.WORD")
    for word in ("first", "second"):
        beside.write_text(f"WORD = {word!r}")
        assert texts_of(call(path, "f", items("a"), also=[str(beside)])) == [word]


def test_what_lies_beside_a_file_is_its_own_and_named(tmp_path: Path) -> None:
    """Two graphs in two folders may each have a module of one name; one that is in no key is refused."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "words_own.py").write_text(f"WORD = {folder!r}")
        path = tmp_path / folder / "own.py"
        path.write_text("import words_own\ndef f(record): return words_own.WORD")
        also = [str(tmp_path / folder / "words_own.py")]
        assert texts_of(call(path, "f", items("a"), also=also)) == [folder]
        with pytest.raises(
            ConfigError, match=r"expected also: \[words_own.py\], since it imports what lies beside"
        ):
            call(path, "f", items("a"))


def test_a_recording_is_an_answer_of_a_node_that_gives_speech(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "import wave\n"
        "def speak(record, folder):\n"
        "    name = f'{folder}/{record[\"id\"]}.wav'\n"
        "    if record['text'] == 'a':\n"
        "        with wave.open(name, 'wb') as file:\n"
        "            file.setparams((1, 2, 16000, 0, 'NONE', ''))\n"
        "            file.writeframes(bytes(32000))\n"
        "    return name\n"
    )
    values = {"output": "speech", "arguments": {"folder": str(tmp_path)}}
    spoken, missing = call(path, "speak", items("a", "b"), **values)
    assert (spoken.id, spoken.audio.seconds, Path(spoken.audio.path).name) == ("u0", 1.0, "u0.wav")
    assert "no such file" in missing.detail.lower()
    path.write_text("def speak(record):\n    return 3\n")
    (number,) = call(path, "speak", items("a"), output="speech")
    assert "found int 3" in number.detail


def test_a_function_of_a_package(steps: Path) -> None:
    values = {"file": None, "package": "pydantic", "function": "builtins:sorted"}
    settings = PythonSettings.model_validate(values)
    assert Python().facts(settings).libraries == ("pydantic",)
    assert texts_of(call(steps, "builtins:str", items("a"), file=None, package="pydantic"))[0].startswith(
        "{'id'"
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "import nothing_of_this_name",
            r"broken_own: expected to import it, found ModuleNotFoundError: .*:1\)",
        ),
        ("def f(:", r"broken_own: expected to import it, found SyntaxError: .* \(broken_own.py:1\)"),
        ("g = 3", "broken_own: expected a function f, found NoneType"),
    ],
)
def test_a_package_that_cannot_be_imported_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    (tmp_path / "broken_own.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_own", raising=False)
    with pytest.raises(ConfigError, match=f"^{message}") as fault:
        call(tmp_path, "broken_own:f", items("a"), file=None, package="pydantic")
    assert "\n" not in str(fault.value)
    sys.modules.pop("broken_own", None)


def test_a_deployment_runs_no_code_unless_the_environment_says_so(
    steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTIPHON_ALLOW_CODE")
    settings = PythonSettings(file=str(steps), function="restore")
    for refused in (Python().check, Python().build):
        with pytest.raises(ConfigError, match=r"expected permission to run .* ANTIPHON_ALLOW_CODE=1"):
            refused(settings, NodeContext("node"))


def test_an_item_of_several_nodes_names_them(steps: Path) -> None:
    read = [item("u0", a=nbest("u0", "one"), b=nbest("u0", "two"))]
    record = PythonRecord(call(steps, "everything", read)[0])
    assert record["text"] == "one"
    assert record["inputs"]["b"]["hypotheses"][0]["text"] == "two"
    read = [item("u0", a=nbest("u0", "one"), route=Route(utterance_id="u0", branch="up", value=0.5))]
    record = PythonRecord(call(steps, "everything", read)[0])
    assert record["inputs"]["route"] == {"branch": "up", "value": 0.5}
