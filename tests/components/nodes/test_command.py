"""Own programs: lines in and out, and what they do wrong costs only the records it belongs to."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.errors import AntiphonError, ConfigError, TransientError
from components.nodes.node_context import Item, NodeContext
from components.own_code import own_program
from components.own_code.command import Command, CommandSettings
from components.records import Quarantined, Route
from tests.components.nodes.items import compute, item, items, texts_of

pytestmark = pytest.mark.usefixtures("allowed")


def call(run: list[str], read: list[Item], **values: Any) -> list[Any]:
    return compute(Command(), {"run": run, **values}, read)


def python(code: str, read: list[Item], **values: Any) -> list[Any]:
    """A program that has ``records``, one at a time, and ``say``s."""
    begin = (
        "import json, sys\n"
        "records = map(json.loads, sys.stdin)\n"
        "def say(**values): print(json.dumps(values), flush=True)\n"
    )
    return call([sys.executable, "-S", "-c", begin + code], read, **values)


def test_a_filter_of_lines(tmp_path: Path) -> None:
    """A line is a text, whatever stands in it."""
    read = items("a color\nof two lines", "größe", "")
    assert texts_of(call(["sed", "s/color/colour/; s/$/!/"], read, format="text")) == [
        "a colour of two lines!",
        "größe!",
        "!",
    ]
    lengths = call(["awk", "{print length($0)}"], items("abc"), format="text", output="table")
    assert lengths == [Route(utterance_id="u0", branch="scored", value=3.0)]
    routed = {"run": ["cat"], "format": "text", "output": "table", "branches": ["up", "down"]}
    assert Command().facts(CommandSettings.model_validate(routed)).branches == ("up", "down")
    assert compute(Command(), routed, items("up")) == [Route(utterance_id="u0", branch="up")]
    speech, text = call(["cat"], [item("u0"), *items("a")], format="text")
    assert (speech.reason, text.best.text) == ("nothing to read", "a")
    assert [each.reason for each in call(["false"], [item("u0")], format="text")] == ["nothing to read"]


def test_a_program_of_records() -> None:
    outcomes = python("for r in records: say(id=r['id'], text=r['text'] + '!')", items("a", "b"))
    assert texts_of(outcomes) == ["a!", "b!"]
    code = (
        "for r in records: say(id=r['id'], hypotheses=[dict(text='x', score=-1), dict(text='y', score=-2)])"
    )
    (listed,) = python(code, items("a"))
    assert [one.text for one in listed.hypotheses] == ["x", "y"]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("if r['text'] == 'poison': sys.exit('no such word')", "with 0, found 1: no such word"),
        ("if r['text'] == 'poison': continue", "expected 1 lines, found 0"),
        ("if r['text'] == 'poison': r['id'] = 'u7'", "expected 'u1', found 'u7'"),
        ("if r['text'] == 'poison': print('{'); continue", "expected a line of UTF-8, found"),
        (
            "if r['text'] == 'poison': sys.stdout.buffer.write(b'\\xff\\n'); continue",
            "can't decode byte 0xff",
        ),
        ("if r['text'] == 'poison': r['text'] = 3", "expected a text"),
        ("if r['text'] == 'poison': r['text'] = chr(0xD83D)", "found half of a character in {'id': 'u1'"),
        ("if r['text'] == 'poison': print(3); continue", "expected an object with an id, found 3"),
        ("if r['text'] == 'poison': import os; os.kill(os.getpid(), 9)", "found -9"),
    ],
)
def test_poison_costs_its_own_record(code: str, fault: str) -> None:
    program = f"for r in records:\n  {code}\n  say(id=r['id'], text=r['text'])"
    outcomes = python(program, items("a", "poison", "b"))
    assert [isinstance(one, Quarantined) for one in outcomes] == [False, True, False]
    assert fault in outcomes[1].detail
    assert "\n" not in outcomes[1].detail


def test_a_record_that_hangs_is_no_outcome_and_the_next_try_may_have_one() -> None:
    """Its time may have run out because the machine was busy, and the limit is in no key."""
    hang = (
        "import time\n"
        "for r in records:\n  if r['text'] == 'poison': time.sleep(60)\n  say(id=r['id'], text='ok')"
    )
    line = r"^node: u1: expected python\S* to end in 0.4 s, found it running; try again, or raise timeout$"
    with pytest.raises(TransientError, match=line):
        python(hang, items("a", "poison"), timeout=0.4)
    slow = hang.replace("60", "0.3")
    assert texts_of(python(slow, items("a", *["poison"] * 3), timeout=0.8)) == ["ok"] * 4
    before = time.monotonic()
    with pytest.raises(TransientError, match="expected sleep to end"):
        call(["sleep", "60"], items("a", "b", "c", "d"), timeout=0.1)
    assert time.monotonic() - before < 5


def test_a_program_that_never_works_fails_the_node() -> None:
    with pytest.raises(AntiphonError, match="for every record: expected false to end with 0, found 1"):
        call(["false"], items("a", "b", "c"))


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    script = tmp_path / "own.sh"
    script.write_text("#!/no/such/shell\n")
    script.chmod(0o755)
    (failed,) = call([str(script)], items("a"))
    assert failed.reason == "program failed"
    assert f"expected to start {script}, found [Errno 2]" in failed.detail


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"run": "sed s/a/b/"},
            r"expected a list such as \[sed, s/a/b/\], as there is no shell, found 'sed s",
        ),
        ({"format": "text", "output": "speech"}, "expected jsonl where a program gives speech, found text"),
        ({"branches": ["up"]}, "branches: expected output: table, found text"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CommandSettings.model_validate({"run": ["sed"], **values})


def test_output_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_program, "MAX_OUTPUT_BYTES", 1000)
    (cut,) = call(["yes"], items("a"), format="text", timeout=30)
    assert "expected at most 1000 bytes of" in cut.detail


def test_its_program_and_files_are_in_the_key(tmp_path: Path) -> None:
    script = tmp_path / "own.sh"
    script.write_text("#!/bin/sh\nexec cat\n")
    script.chmod(0o755)
    kind, context = Command(), NodeContext("node")
    written = CommandSettings(run=("./own.sh",), also=("words.txt",))
    settings = kind.resolve_paths(written, tmp_path)
    assert settings.also == (str(tmp_path / "words.txt"),)
    assert kind.parameters(settings, context)["run"] == ["own.sh"]
    before = kind.digests(settings, context)
    script.write_text("#!/bin/sh\nexec sed s/a/b/\n")
    assert kind.digests(settings, context) != before
    assert Path(kind.resolve_paths(written, Path()).run[0]).is_absolute()

    script = kind.resolve_paths(CommandSettings(run=("sh", "own.sh"), also=("own.sh",)), tmp_path)
    assert script.run[1] == str(tmp_path / "own.sh")
    assert kind.parameters(script, context)["run"] == ["sh", "also0"]


def test_a_script_that_the_key_would_not_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stage would be reused whatever became of the script."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.sh").write_text("exec cat\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match=r"^also: expected own\.sh, since what stands in a file decides"):
        Command().check(CommandSettings(run=("sh", "own.sh", "folder")), NodeContext("node"))
    for written in ("own.sh", "./own.sh", str(tmp_path / "own.sh")):
        settings = CommandSettings(run=("sh", written), also=("own.sh",))
        Command().check(Command().resolve_paths(settings, tmp_path), NodeContext("node"))


def test_what_is_not_there_or_not_allowed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="expected a program no-such-program, found none on PATH"):
        Command().check(CommandSettings(run=("no-such-program",)), NodeContext("node"))
    monkeypatch.delenv("ANTIPHON_ALLOW_CODE")
    with pytest.raises(ConfigError, match="ANTIPHON_ALLOW_CODE=1"):
        Command().check(CommandSettings(run=("sed",)), NodeContext("node"))
