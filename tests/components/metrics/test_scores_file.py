"""External scores: what a file may hold, and what is said of one that does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.errors import ConfigError
from components.metrics.scores_file import _name_of, load_scores, read_scores
from components.metrics.scores_settings import ScoresFile
from components.metrics.statistics.agreement import krippendorff_alpha


def write(folder: Path, *rows: str, header: str = "id\tsystem\tvalue", name: str = "esa.tsv") -> str:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def read(text: str):  # type: ignore[no-untyped-def]
    return read_scores(ScoresFile.model_validate(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("esa=scores.tsv", ("scores.tsv", "esa", False)),
        ("edits=a/b=c.tsv:lower", ("a/b=c.tsv", "edits", True)),
        ("esa=scores.tsv:higher", ("scores.tsv", "esa", False)),
        ("folder/a=b.tsv", ("folder/a=b.tsv", None, False)),
        ("scores.tsv", ("scores.tsv", None, False)),
    ],
)
def test_a_file_is_named_in_one_text(text: str, expected: tuple[str, str | None, bool]) -> None:
    scores = ScoresFile.model_validate(text)
    assert (scores.file, scores.name, scores.lower_is_better) == expected


def test_judgements_of_several_annotators_are_averaged(tmp_path: Path) -> None:
    header = "ID\tSystem\tvalue\tannotator\tcomment"
    rows = ["u1\ta\t80\tx\tgood", "u1\ta\t60\ty\t", "u1\tb\t10\tx\t", "u2\ta\t\tx\t", "u2\tb\t-1.5\ty\t"]
    (scores,) = read(f"esa={write(tmp_path, *rows, header=header)}:lower")
    assert scores.values == {"a": {"u1": 70.0}, "b": {"u1": 10.0, "u2": -1.5}}
    assert (scores.name, scores.higher_is_better, scores.annotators) == ("esa", False, 2)


def test_a_file_may_hold_several_metrics(tmp_path: Path) -> None:
    file = write(tmp_path, "u1\ta\t1\tfluency", "u1\ta\t2\tadequacy", header="id\tsystem\tvalue\tmetric")
    assert [(entry.name, entry.values["a"]["u1"]) for entry in read(file)] == [
        ("fluency", 1),
        ("adequacy", 2),
    ]
    (only,) = read(f"adequacy={file}")
    assert only.values == {"a": {"u1": 2.0}}
    with pytest.raises(ConfigError, match="expected rows of the metric fluent; did you mean fluency"):
        read(f"fluent={file}")


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (
            "id,system,value",
            ["u,a,1"],
            r"esa.tsv:1: expected a header line .* found no id, system, value in id,",
        ),
        (
            "id\tsystem\tvalue",
            ["u\ta\tgood", "v\ta\tnan"],
            r"finite numbers .* found 2 .*\(first in line 2: 'good'\)",
        ),
        ("id\tsystem\tValue\tvalue", ["u\ta\t1\t2"], "esa.tsv:1: expected every column once, found value"),
        ("id\tsystem\tvalue", ["u\ta\t1", "u\ta\t2"], r"one value of each id and system .*line 3: 'u' of a"),
        ("id\tsystem\tvalue", ["\ta\t1"], r"an id and a system in every row, found 1 .*line 2"),
        ("id\tsystem\tvalue", ["u\ta\t1\t7"], r"as many cells as the header has.*stray tab"),
        (
            "id\tsystem\tvalue\tcomment",
            ['u\ta\t1\t"good', "v\ta\t2\t", "w\ta\t3\t"],
            r"quotes that close in their cell, found 1 .*\(first in line 2: 'good",
        ),
        (
            "id\tsystem\tvalue\tcomment",
            ['u\ta\t1\t"good', *["v\ta\t2\t"] * 30_000],
            r"quotes that close in their cell, found 1 .*\(first in line 2: field larger than field limit",
        ),
        ("id\tsystem\tvalue\tmetric", ["u\ta\t1\t../x"], r"letters, digits, - and _ as metrics.*'../x'"),
        ("id\tsystem\tvalue", ["u\ta\t"], "rows with a value, found none"),
        ("id\tsystem\tvalue", [], "rows with a value, found none"),
    ],
)
def test_faults_are_told_by_kind(tmp_path: Path, header: str, rows: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(write(tmp_path, *rows, header=header))


def test_names_of_metrics_and_missing_files_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "u\ta\t1")
    for text, message in (("bleu", "is a metric of Antiphon"), ("esa", "is there twice")):
        files = [ScoresFile.model_validate(f"{text}={file}"), ScoresFile.model_validate(f"esa={file}")]
        with pytest.raises(ConfigError, match=message):
            load_scores(files)
    with pytest.raises(ConfigError, match=r"expected a file of scores, found .*No such file"):
        read(str(tmp_path / "none.tsv"))


def test_alpha_of_the_published_example() -> None:
    """Krippendorff 2011, section C: four observers, twelve units, interval data: 0.849."""
    none = None
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, none, none, none],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, none, 3],
        [none, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, none],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, none],
    ]
    units = [[float(v) for v in column if v is not None] for column in zip(*table, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.849, abs=5e-4)
    assert krippendorff_alpha([[0.1, 0.1]] * 10) is None  # whose mean is not quite 0.1


@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 9).map(float), min_size=0, max_size=4), max_size=6))
def test_alpha_is_that_of_its_definition(units: list[list[float]]) -> None:
    pairable = [unit for unit in units if len(unit) > 1]
    values = [v for unit in pairable for v in unit]
    n = len(values)
    expected = sum((a - b) ** 2 for a in values for b in values) / (n * (n - 1)) if n > 1 else 0
    observed = sum(sum((a - b) ** 2 for a in u for b in u) / (len(u) - 1) for u in pairable) / n if n else 0
    alpha = krippendorff_alpha(units)
    assert (alpha is None) if expected == 0 else alpha == pytest.approx(1 - observed / expected)
    assert alpha is None or np.isfinite(alpha)


def test_a_file_names_its_score_and_an_empty_name_is_refused() -> None:
    assert [_name_of(Path(name)) for name in ("esa.tsv", "2 judges.tsv")] == ["esa", "scores"]
    with pytest.raises(ValidationError, match="found no file"):
        ScoresFile.model_validate("esa= ")
