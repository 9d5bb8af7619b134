"""The pages of results are what their stored outputs say, and the commands on them can be typed."""

from __future__ import annotations

import argparse
import gzip
import importlib
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.claims.experiment import EXPERIMENTS
from benchmarks.claims.outputs import outputs_file
from benchmarks.common import sections
from benchmarks.common.manifest import describe_run, portable
from benchmarks.common.measurements import Part, outputs_path, read_measurements, store_part
from benchmarks.common.paths import RESULTS, ROOT
from benchmarks.pages.__main__ import main
from benchmarks.pages.index import SECTIONS
from benchmarks.pages.page import PAGES as ALL
from benchmarks.pages.page import TIMED, file_of, is_measured, page_named, render_file
from benchmarks.pages.running import AGAIN, LOOKING
from components.files.digests import data_folder

PAGES = [name for name in ALL if is_measured(name)]
PACKAGES = ("benchmarks.quality", "benchmarks.speed", "benchmarks.system")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_its_outputs_say(name: str) -> None:
    text = (RESULTS / f"{file_of(name)}.md").read_text(encoding="utf-8")
    assert text == render_file(file_of(name)), "run `make pages`"


@pytest.mark.parametrize("name", sorted(TIMED.intersection(PAGES)))
def test_times_stand_beside_their_processor(name: str) -> None:
    """Or beside a word that it was not recorded."""
    text = (RESULTS / f"{file_of(name)}.md").read_text(encoding="utf-8")
    assert re.search(
        r"^Measured on: (.*\b(AMD|Intel|Apple|ARM)\b|processor not recorded).*\.$", text, re.MULTILINE
    )


def test_the_picture_is_that_of_the_outputs(tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image")
    draw = page_named("reduced-experts").draw
    assert draw is not None
    draw(read_measurements("reduced-experts"), tmp_path)
    drawn, stored = (image.imread(folder / "reduced-experts.png") for folder in (tmp_path, RESULTS))
    assert drawn.shape == stored.shape
    assert np.abs(drawn - stored).mean() < 0.005


def test_every_page_has_outputs_and_a_row() -> None:
    measured = {outputs_file(name) for name in EXPERIMENTS if outputs_file(name).exists()}
    claims = {path.name.removesuffix(".jsonl.gz") for path in measured}
    pages = {path.stem for path in RESULTS.glob("*.md")} - {"README"} - claims
    assert pages == {file_of(name) for name in PAGES}
    linked = {page for rows in SECTIONS.values() for row in rows for page in row.values()}
    assert set(PAGES) <= linked


def test_commands_on_pages_can_be_typed() -> None:
    """Each is read by the parser of its own section."""
    commands = {
        command
        for name in PAGES
        for command in re.findall(
            r"`(python -m benchmarks\.[^`]+)`", (RESULTS / f"{file_of(name)}.md").read_text("utf-8")
        )
    }
    assert len(commands) > len(PAGES) / 2
    for command in commands:
        module, *arguments = shlex.split(command)[2:]
        main = importlib.import_module(f"{module}.__main__")
        if module in PACKAGES:
            section = importlib.import_module(main.SECTIONS[arguments.pop(0)])
            sections.make_parser(section, command).parse_args(arguments)
        else:
            main.parser().parse_args(arguments)


def test_outputs_name_no_folder_of_a_machine() -> None:
    for path in (RESULTS / "outputs").glob("*.gz"):
        text = gzip.decompress(path.read_bytes()).decode()
        assert not re.search(r'"(/work/|/root/|/home/|/tmp/)', text), path.name


def test_settings_name_no_folder_of_this_machine() -> None:
    settings = [data_folder() / "x.txt", [str(ROOT / "docs")], "/opt/bin/python", 3]
    assert portable(settings) == ["$ANTIPHON_DATA/x.txt", ["./docs"], "python", 3]
    assert portable("packaged:whisper-base") == "packaged:whisper-base"


def test_a_part_takes_the_place_of_its_former_self_only(tmp_path: Path) -> None:
    manifest = describe_run("python -m x")
    for name, value in (("first", 1), ("second", 2), ("first", 3)):
        store_part("startup", Part(part=name, manifest=manifest, results=value), tmp_path)
    measurements = read_measurements("startup", tmp_path)
    assert [measurements["first"], measurements["second"]] == [3, 2]


def test_one_page_is_written_where_the_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outputs").mkdir()
    shutil.copy(outputs_path("startup"), tmp_path / "outputs")
    monkeypatch.setattr("sys.argv", ["pages", "startup", "--out", str(tmp_path)])
    main()
    assert [path.name for path in tmp_path.glob("*.md")] == ["startup.md"]


def test_an_interrupted_section_keeps_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(options: argparse.Namespace) -> Iterator[sections.Result]:
        command = {"wall": options.wall, "least": 0.5, "most": 9, "cpu": 1, "bar": 2}
        yield sections.Result(
            "seconds", {"rounds": 1, "commands": dict.fromkeys(("--help", AGAIN, *LOOKING), command)}
        )
        if options.wall == 1:
            raise KeyboardInterrupt

    section = SimpleNamespace(PAGE="startup", OPTIONS={"wall": sections.option(float)}, measure=measure)
    common = ["--out", str(tmp_path), "--note", "Quiet."]
    with pytest.raises(KeyboardInterrupt):
        sections.measure_section(section, "benchmarks.system startup", ["--wall", "1", *common])
    assert read_measurements("startup", tmp_path)["seconds"]["commands"]["--help"]["wall"] == 1
    sections.measure_section(section, "benchmarks.system startup", ["--wall", "3", *common])
    text = (tmp_path / "startup.md").read_text(encoding="utf-8")
    assert text == capsys.readouterr().out.rstrip("\n") + "\n"
    assert "`python -m benchmarks.system startup --wall 3`" in text
    assert "## Notes\n\n- Quiet." in text
    assert "| --help | 3.00 | 0.50 to 9.00 | 1.00 | 2.0 |" in text
