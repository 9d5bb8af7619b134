"""Messages stay readable whatever value was put into them."""

from __future__ import annotations

import errno
import importlib
import logging
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.analysis.measuring.protocol import make_protocol
from components.errors import AntiphonError, ComponentError, ConfigError, UnknownRunError
from components.extensions import foreign_modules
from components.files.fault_reports import explain_faults
from components.metrics.libraries import scoring_libraries
from components.storage.stages import stage_plan


@pytest.mark.parametrize("error", [AntiphonError, ConfigError, UnknownRunError])
@pytest.mark.parametrize("value", ["x" * 3000, "when it " * 375, "x" * 10**6], ids=["word", "words", "1 MB"])
def test_a_long_value_is_cut_in_its_middle(error: type[AntiphonError], value: str) -> None:
    """They repeated it whole; the beginning and what to do stay."""
    message = str(error(f"a.yaml:8: kind: expected one of combine, route, found {value!r}; did you mean y?"))
    assert len(message) < 1600
    assert message.startswith(f"a.yaml:8: kind: expected one of combine, route, found '{value[:9]}")
    assert message.endswith("did you mean y?")
    assert "letters) ..." in message


def test_other_messages_are_as_they_were() -> None:
    lines = [f"{n}: expected one of {', '.join(f'kind{k}' for k in range(100))}, found y" for n in range(9)]
    error = ConfigError("\n".join(lines))
    assert str(error) == "\n".join(lines)
    long = ConfigError("x" * 5000)
    assert str(pickle.loads(pickle.dumps(long))) == str(long)
    assert ConfigError().args == ()
    assert ConfigError(3, "x").args == (3, "x")


PACKAGE = """
def compute(items):
    return [score(item.utterance) for item in items]

def score(utterance):
    if utterance.id == "u2":
        raise ValueError("no score\\nat https://me:secret@host/x")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of an installed package that brings a metric."""
    (tmp_path / "falling.py").write_text(PACKAGE)
    info = tmp_path / "falling_package-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: falling-package\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[antiphon.metrics]\nfall = falling:Fall\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    return importlib.import_module("falling")


def test_a_fault_of_a_package_is_one_line_that_names_item_package_and_file(package: Any) -> None:
    """It was a traceback in the terminal, and ``sys.exit(3)`` in a component ended the command as if done."""
    items = [SimpleNamespace(utterance=SimpleNamespace(id=name)) for name in ("u1", "u2", "u3")]
    with pytest.raises(ComponentError) as caught, explain_faults("node", items):
        package.compute(items)
    line, _, path = str(caught.value).partition("; the whole traceback is in ")
    assert line == (
        "node: expected its code to compute u2, found ValueError: no score at https://***@host/x "
        f"({Path(package.__file__).parent.name}/falling.py:7 of the package falling-package 0.3)"
    )
    kept = Path(path).read_text(encoding="utf-8")
    assert kept.startswith("Traceback")
    assert "secret" not in kept
    with pytest.raises(ComponentError, match=r"u1 to u3, found SystemExit: 3"), explain_faults("node", items):
        raise SystemExit(3)


def test_expected_errors_and_those_of_the_system_are_as_they_were() -> None:
    for error in (ConfigError("a"), OSError(errno.ENOSPC, "full"), LookupError("known"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, explain_faults("node", passing=(LookupError,)):
            raise error
        assert caught.value is error


def test_a_closed_pipe_that_a_component_logs_to_is_no_fault_of_its_code() -> None:
    """Runs of a worker that was killed failed by "expected its code to compute"; they are crashed."""

    class Closed(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise SystemExit(1)  # as rich does at a broken pipe

    log = logging.Logger("progress")
    log.addHandler(Closed())
    with pytest.raises(SystemExit), explain_faults("node"):
        log.error("a shard is half done")


def test_scores_are_counted_again_with_a_package_that_brings_a_metric(
    package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stored scores were taken, without the metric that had been installed since, or with the old one."""
    assert foreign_modules("antiphon.metrics") == {"falling": "falling-package"}
    assert scoring_libraries()["falling-package"] == "0.3"
    monkeypatch.undo()
    assert "falling-package" not in scoring_libraries()


def test_scores_are_counted_again_where_another_tokenizer_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counts of Japanese by characters were joined to those by words, and signed as words."""
    installed = {"mecab-python3": "1.0", "ipadic": "1.0"}
    before = make_protocol("ja", "ja", "basic", ()).fingerprint
    monkeypatch.setattr(stage_plan, "_version_of", lambda name: installed.get(name, "absent"))
    after = scoring_libraries()
    assert {name: after[name] for name in installed} == installed and "mecab-ko" not in after
    assert make_protocol("ja", "ja", "basic", ()).fingerprint != before
